//go:build unix && !linux

package pgserver

import "syscall"

// attributes run a program as another user, in a group of its own. Without a
// parent-death signal a server may outlive us; the next start stops it.
func attributes(run *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: run, Setpgid: true}
}
