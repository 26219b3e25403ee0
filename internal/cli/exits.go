package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// exits maps each verb to the meaning of its exit codes, one code per line. The codes are those of package fault; a
// verb lists the codes that it can return. rootExits has their general meaning.
var exits = map[string]string{ //nolint:gosec // words about tokens are none
	"init": `0 muster.toml is written, or printed
1 it could not be written
4 there is a muster.toml already, or this is not a git repository`,
	"up": `0 the fleet is up
1 tmux, the state directory or the supervisor failed
4 this machine or this program cannot run the fleet; nothing was started
5 the supervisor was not ready in time`,
	"down": `0 the fleet is down
1 the request to go down failed
2 --drain and --kill are given together
5 something still ran after the time limit`,
	"upgrade": `0 the new program supervises, or will from the next start
1 it failed and was rolled back
3 there is no such file
4 it was refused; nothing was changed
5 there was no outcome in time`,
	"dispatch": `0 every task is queued
1 the tasks are queued, but no supervisor could be started
2 a flag, the tasks file, muster.toml or a prompt is wrong
3 the repository, a file, or a task of --after or --base was not found
4 the agent could not start here, or a precondition is missing`,
	"intake": `2 there is no such source`,
	"intake github": `0 every issue with the label is taken, or is left and named
1 GitHub does not answer, or no supervisor could be started
2 a flag or muster.toml is wrong
3 the repository was not found
4 the agent could not start here, gh has no login, or another intake runs
130 --follow was interrupted`,
	"ls": `0 the tasks are listed, also when there are none
1 the log could not be read`,
	"show": `0 the task is shown
2 several tasks have names with this beginning
3 there is no such task`,
	"status": `0 everything that is live is watched
1 tasks are live and no supervisor makes progress with them`,
	"top": `0 you left it
1 the screen could not be drawn
2 --since is wrong
4 this is no terminal that can be drawn on
130 interrupted`,
	"web": `0 it was served until it was told to end, or a link is printed
1 it could not be served
2 a flag is wrong
3 --link: no page is served
4 it is served already, the port is taken, or --stay has no fleet to stay in
5 --stay: it was not served in time`,
	"web token": `2 there is no such verb`,
	"web token new": `0 the token is printed
2 the name is wrong
4 there is a token of this name, or too many of them`,
	"web token list": `0 the tokens are listed, also when there are none
1 their file is damaged`,
	"web token revoke": `0 the token is not good any more
3 there is no such token`,
	"preflight": `0 nothing is known that would stop the night
1 something would stop it, or could not be tried
130 interrupted; what the checks started has ended`,
	"status set": `0 the record is written
2 the record is wrong
4 this is not an agent's shell, or its run has ended`,
	"accounts": `0 the accounts are listed, also when there are none
1 the log could not be read`,
	"accounts wake": `0 an agent of the account tries it as soon as it has a slot
3 there is no such account
4 the account does not rest
5 the supervisor has not processed the request yet`,
	"accounts rest": `0 nothing is started on the account any more
2 the time is wrong, or over
3 there is no such account
5 the supervisor has not processed the request yet`,
	"wait": `0 all are done; with --any, one is
1 one failed or was cancelled
2 a flag is wrong, or several tasks have names with this beginning
3 there is no such task
4 one is parked and waits for a person
5 the timeout was reached first
130 interrupted; the tasks go on`,
	"attach": `0 you left the terminal, or the command is printed
3 there is no such task
4 the task has no session to attach to
5 the conversation was not resumed in time`,
	"logs": `0 the log is printed
2 a flag is wrong, or several tasks have names with this beginning
3 there is no such task, check, round or generation
4 nothing has been logged yet
130 -f was interrupted`,
	"replay": `0 it was played, written or listed
1 the file could not be written, or the terminal not be drawn on
2 a flag is wrong, or several tasks have names with this beginning
3 there is no such task or generation, or no recording of it
4 the task has not begun to work, or this is no terminal to play on
130 interrupted`,
	"diff": `0 the changes are printed, also when there are none
1 git failed
3 there is no such task, or its repository is gone
4 the task has not begun to work`,
	"stats": `0 the figures are printed, also when no task has ended
1 the log could not be read
2 a flag is wrong`,
	"checks": `0 the rounds are listed, whatever their verdicts
3 there is no such task, round, check or output`,
	"events": `0 the events are printed
2 --kind names an unknown kind
3 there is no such task
130 -f was interrupted`,
	"fence": `0 the command succeeded; any other status is its own, but for these
2 no command is given, or the configuration is wrong
3 there is no such program
4 this machine cannot enforce the fence, or it does not grant the program`,
	"report": `0 the report is printed
1 the log could not be read
2 --since or --format is wrong`,
	"why": `0 the decisions are printed
2 several tasks have names with this beginning
3 there is no such task`,
	"send": `0 the message is queued for the agent
2 the text is empty or too long, or ID is not an id
3 there is no such task
4 the task is over or about to end
5 the supervisor has not processed the message yet`,
	"answer": `0 the answer is on its way to the agent
2 the answer does not fit the request, or ID is not an id
3 there is no such task
4 the task asks nothing, or is over
5 the supervisor has not processed the answer yet`,
	"interrupt": `0 every turn is being interrupted
2 ID is not an id
3 there is no such task
4 no agent of the task runs`,
	"stop": `0 every task is being stopped, or was already
2 ID is not an id
3 there is no such task
4 the task has ended otherwise`,
	"retry": `0 every task is back in line
2 ID is not an id
3 there is no such task
4 the task is not parked
5 the supervisor has not processed the request yet`,
	"rm": `0 everything is removed; while the fleet is down: will be
1 something could not be removed
2 ID is not an id
3 there is no such task
4 the task is not over, or its work would be lost
5 the supervisor has not removed it yet`,
	"gc": `0 everything old is removed, but for work that exists nowhere else
1 something could not be removed
2 the time is wrong
5 the supervisor has not removed something yet`,
	"restore": `0 the work is in its worktree; while the fleet is down: will be
1 it could not be restored
2 ID is not an id
3 there is no such task, or no kept work
4 the worktree is in use, or --ref has to say which work
5 the supervisor has not restored it yet`,
	"check": `0 every check passed
1 and above: the first failed check's own exit code
3 the task has no such check
4 this is not an agent's shell
5 a check took too long
128 and above: a check was ended by a signal`,
	"done": `0 it is recorded; end your turn
2 the note is not text
4 this is not an agent's shell, or its run has ended`,
	"note": `0 it is recorded
2 the note is not text
4 this is not an agent's shell, or its run has ended`,
	"verdict": `0 it is recorded; end your turn
2 the verdict is neither green nor red, or a red one has no findings
4 this is not the shell of a reviewer, or its run has ended`,
	"ask": `0 the answer is printed
2 the question or a flag is wrong
4 this is not an agent's shell, or its run has ended
5 there was no answer in time; continue without one, or end your turn`,
	"demo": `0 the story went as it should
1 something failed
4 tmux or git is missing
5 it took too long
130 interrupted; everything is removed`,
	"config": `2 there is no such verb`,
	"config check": `0 the configuration is right
2 a value is wrong; file, line and column are named`,
	"config show": `0 every value is shown
2 a value is wrong; file, line and column are named`,
	"config schema":   `0 the schema is printed`,
	"schema":          `2 there is no such schema`,
	"schema status":   `0 the schema is printed`,
	"service":         `2 there is no such verb`,
	"service install": "0 the service is installed and up to date\n1 the service manager refused it\n4 this machine has no service manager that muster knows",
	"service uninstall": `0 the service is removed, or was not installed
1 the service manager refused
4 this machine has no service manager that muster knows`,
	"service status": `0 the status is printed, whatever it is
1 the service manager could not be asked
4 this machine has no service manager that muster knows`,
	"notify": `2 there is no such verb`,
	"notify test": `0 the channel has taken the message
1 it has not; the error says why
3 there is no such channel
4 the environment that the fleet was started with lacks a variable`,
	"doctor": `0 nothing is wrong; there may be warnings
1 something is wrong; each line says what to do`,
	"version":    `0 the version is printed`,
	"completion": `0 the script is printed` + "\n" + `2 muster has none for that shell`,
	"man": `0 the page is printed, or all pages are written
1 a page could not be written
2 there is no such verb`,
}

// rootExits is the general meaning of the codes.
const rootExits = `0 ok
1 failed
2 usage
3 not found
4 conflict or precondition
5 timed out
130 interrupted`

// exitCodes returns the meaning of a verb's exit codes; of muster itself that of all codes.
func exitCodes(c *cobra.Command) string {
	if !c.HasParent() {
		return rootExits
	}
	return exits[verbPath(c)]
}

// exitHelp returns the part of a help text with the exit codes.
func exitHelp(codes string) string {
	text := "Exit codes:\n"
	for line := range strings.SplitSeq(codes, "\n") {
		code, meaning, _ := strings.Cut(line, " ")
		text += "  " + code + strings.Repeat(" ", max(4-len(code), 1)) + meaning + "\n"
	}
	return text
}
