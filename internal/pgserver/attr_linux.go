package pgserver

import "syscall"

// attributes run a program as another user, in a group of its own so that the
// terminal's interrupt reaches only us, and shut it down fast when we die.
func attributes(run *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: run, Setpgid: true, Pdeathsig: syscall.SIGINT}
}
