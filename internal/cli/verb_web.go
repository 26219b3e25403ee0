package cli

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/fault"
	"muster/internal/intake"
	"muster/internal/web"
	"muster/internal/words"
)

const webHelp = `Serve the fleet as a page, on a desktop or a phone, until Ctrl-C: what needs you with its answers as
buttons, what runs, each task with its diff, checks and screen, the night, and the report. It prints a link
that signs one browser in, is good once and for two minutes. Only this machine reaches the page; forward
the port from another one: ssh -L 7331:127.0.0.1:7331 HOST. Programs use the JSON API below /api/v1 with a
token (muster web token).

  muster web
  muster web --stay       in the fleet's tmux server, beyond this terminal
  muster web --link       another link to the page that is served
  muster web --socket     on a Unix socket, which ssh forwards as well
  muster web --read-only  nothing can be answered or changed`

// webPort is the port of the page, unless it is taken.
const webPort = 7331

type webOptions struct {
	port                         int
	anyPort                      bool // the port was not asked for: another one does as well
	socket, readOnly, stay, link bool
	hosts                        []string
}

func newWebCommand(env Env) *cobra.Command {
	var o webOptions
	c := verb(&cobra.Command{
		Use: "web", Short: "Serve the fleet as a page, and as a JSON API", Long: webHelp, Args: cobra.NoArgs,
	}, groupLook)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		o.anyPort = !cmd.Flags().Changed("port")
		return withControl(env, func(c *control.Control) error { return serveWeb(cmd.Context(), env, c, o) })
	}
	c.Flags().IntVar(&o.port, "port", webPort, "listen on port `N` of this machine; 0 is a free one (default 7331, or a free one if that is taken)")
	c.Flags().Lookup("port").DefValue = "0" // the text has it
	c.Flags().BoolVar(&o.socket, "socket", false, "listen on a Unix socket in the state directory instead")
	c.Flags().StringArrayVar(&o.hosts, "host", nil, "answer for the host `NAME`, too, such as the one of an ssh tunnel or a proxy of yours")
	c.Flags().BoolVar(&o.readOnly, "read-only", false, "let nothing be answered, sent or changed")
	c.Flags().BoolVar(&o.stay, "stay", false, "serve it in a pane of the fleet's tmux server, and print a link")
	c.Flags().BoolVar(&o.link, "link", false, "print another link to the page that is served")
	c.MarkFlagsMutuallyExclusive("stay", "link")
	c.AddCommand(newWebTokenCommand(env))
	return c
}

func serveWeb(ctx context.Context, env Env, c *control.Control, o webOptions) error {
	switch {
	case o.link:
		return printLink(env, c)
	case o.stay:
		return stayWeb(ctx, env, c, o)
	}
	if o.port < 0 || o.port > 65535 {
		return fault.New(fault.Usage, "--port: %d is no port", o.port).WithHint("Give a number from 1 to 65535, or 0 for a free one.")
	}
	hosts, err := hostNames(o.hosts)
	if err != nil {
		return err
	}
	place, err := c.Serving()
	if err != nil {
		return err
	}
	defer place.Release()
	at, listeners, err := listenWeb(ctx, c, o)
	if err != nil {
		return err
	}
	if err := place.Note(at); err != nil {
		for _, l := range listeners {
			_ = l.Close()
		}
		return err
	}
	base, err := url.Parse(at.Base)
	if err != nil {
		return fmt.Errorf("read the address of the page: %w", err)
	}
	port, _ := strconv.Atoi(base.Port()) // it is ours
	all := web.LoopbackHosts(port)
	for _, h := range hosts {
		all = append(all, h, net.JoinHostPort(h, base.Port()))
	}
	s := web.New(web.Options{
		Control: c, Hosts: all, ReadOnly: o.readOnly, Now: env.Now, Dir: env.Dir,
		Order: orderOf(env),
	})
	if err := printLink(env, c); err != nil {
		return err
	}
	return s.Serve(ctx, listeners...)
}

// orderOf returns what checks and freezes the orders of a front end.
func orderOf(env Env) func(context.Context, intake.Order) (intake.Task, error) {
	return func(ctx context.Context, order intake.Order) (intake.Task, error) {
		f, err := openFleet(env) // anew for each order: the configuration may have changed
		if err != nil {
			return intake.Task{}, err
		}
		return intake.New(f, env.Dir).Task(ctx, order)
	}
}

// hostNames returns the names of --host, which are compared with a header.
func hostNames(names []string) ([]string, error) {
	for _, n := range names {
		if n == "" || strings.ContainsAny(n, "/:*@ \t\n") {
			return nil, fault.New(fault.Usage, "--host: %q is not the name of a host", clean(n, 80)).WithHint("Give a name alone, such as fleet.example.org.")
		}
	}
	return names, nil
}

// listenWeb opens the listeners of the page.
func listenWeb(ctx context.Context, c *control.Control, o webOptions) (control.WebAt, []net.Listener, error) {
	base := func(port int) string { return "http://127.0.0.1:" + strconv.Itoa(port) }
	if o.socket {
		dir, err := c.WebDir()
		if err != nil {
			return control.WebAt{}, nil, err
		}
		path := filepath.Join(dir, "web.sock")
		l, err := web.ListenSocket(ctx, path)
		if err != nil {
			return control.WebAt{}, nil, err
		}
		port := o.port
		if port == 0 {
			port = webPort
		}
		return control.WebAt{Base: base(port), Socket: path}, []net.Listener{l}, nil
	}
	all, err := web.Listen(ctx, o.port)
	if fault.Is(err, fault.Conflict) && o.anyPort {
		all, err = web.Listen(ctx, 0)
	}
	if err != nil {
		return control.WebAt{}, nil, err
	}
	return control.WebAt{Base: base(web.Port(all[0]))}, all, nil
}

// printLink prints a link to the page that is served.
func printLink(env Env, c *control.Control) error {
	at, err := c.Served()
	if err != nil {
		return err
	}
	link, err := web.Link(c, at.Base)
	if err != nil {
		return err
	}
	if at.Socket != "" {
		u, _ := url.Parse(at.Base)
		env.warn(fmt.Sprintf("Forward the socket first, from the machine of the browser: ssh -L %s:%s HOST", u.Port(), at.Socket))
	}
	if err := env.say(link); err != nil {
		return err
	}
	env.warn("The link is good once and for two minutes; `muster web --link` prints another.")
	return nil
}

// stayLimit is how long the page may take to be served in a pane of the fleet.
const stayLimit = 15 * time.Second

// stayWeb serves the page in a pane of the fleet's tmux server.
func stayWeb(ctx context.Context, env Env, c *control.Control, o webOptions) error {
	if _, err := c.Served(); err == nil {
		return printLink(env, c)
	}
	argv := []string{"web"}
	if !o.anyPort {
		argv = append(argv, "--port", strconv.Itoa(o.port))
	}
	if o.socket {
		argv = append(argv, "--socket")
	}
	if o.readOnly {
		argv = append(argv, "--read-only")
	}
	for _, h := range o.hosts {
		argv = append(argv, "--host", h)
	}
	if err := c.StayWeb(ctx, argv, env.Dir); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, stayLimit)
	defer cancel()
	if err := c.AwaitServed(limited); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fault.Wrap(fault.Timeout, err, "the page was not served in time").WithHint("Its pane says why: tmux session %s of the fleet. `muster web` serves it in this terminal.", control.WebSession)
	}
	return printLink(env, c)
}

//nolint:gosec // words about tokens are none
const webTokenHelp = `Make, list and revoke the tokens by which programs use the JSON API of muster web. A token is printed once,
when it is made; only its hash is stored. Requests bear it as Authorization: Bearer TOKEN.

  muster web token new dashboard --read-only
  muster web token list
  muster web token revoke dashboard`

// webToken is a token in the output of the verbs.
type webToken struct {
	Name     string    `json:"name"`
	Created  time.Time `json:"created"`
	ReadOnly bool      `json:"read_only"`
	Token    string    `json:"token,omitempty"` // only when it is made
}

func newWebTokenCommand(env Env) *cobra.Command {
	c := &cobra.Command{Use: "token", Short: "Make, list and revoke tokens of the JSON API", Long: webTokenHelp, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	var readOnly bool
	made := &cobra.Command{Use: "new NAME", Short: "Make a token and print it", Long: "Make a token for a program and print it, once.\n\n  muster web token new dashboard --read-only\n  muster web token new deploy --json", Args: cobra.ExactArgs(1)}
	made.Flags().BoolVar(&readOnly, "read-only", false, "it can read, and change nothing")
	result[webToken]{
		get: func(ctx context.Context, args []string) (out webToken, err error) {
			err = withControl(env, func(c *control.Control) error {
				t, token, err := c.NewToken(ctx, args[0], readOnly)
				out = webToken{Name: t.Name, Created: t.Created, ReadOnly: t.ReadOnly, Token: token}
				return err
			})
			return out, err
		},
		show: func(t webToken) error { return env.say(t.Token) },
	}.addTo(env, made)
	list := &cobra.Command{Use: "list", Short: "List the tokens", Long: "List the names of the tokens, oldest first.\n\n  muster web token list\n  muster web token list --json", Args: cobra.NoArgs}
	result[[]webToken]{
		get: func(context.Context, []string) (out []webToken, err error) {
			err = withControl(env, func(c *control.Control) error {
				all, err := c.Tokens()
				out = []webToken{}
				for _, t := range all {
					out = append(out, webToken{Name: t.Name, Created: t.Created, ReadOnly: t.ReadOnly})
				}
				return err
			})
			return out, err
		},
		show: func(all []webToken) error {
			var rows [][]string
			for _, t := range all {
				may := "read and change"
				if t.ReadOnly {
					may = "read"
				}
				rows = append(rows, []string{clean(t.Name, 64), may, words.Ago(t.Created, env.Now())})
			}
			if len(rows) == 0 {
				return nil
			}
			return env.table([]string{"NAME", "MAY", "AGE"}, rows)
		},
	}.addTo(env, list)
	revoke := &cobra.Command{Use: "revoke NAME", Short: "Revoke a token", Long: "Revoke a token. It is not good from the next request on.\n\n  muster web token revoke dashboard\n  muster web token revoke deploy --json", Args: cobra.ExactArgs(1)}
	result[webToken]{
		get: func(ctx context.Context, args []string) (webToken, error) {
			return webToken{Name: args[0]}, withControl(env, func(c *control.Control) error { return c.RevokeToken(ctx, args[0]) })
		},
	}.addTo(env, revoke)
	c.AddCommand(made, list, revoke)
	return c
}
