package host

// roles are the roles that exist on this system only.
var roles = map[string]func(){}
