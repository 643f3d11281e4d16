package harness

import "syscall"

// withParent lets the kernel end a child whose test was killed.
func withParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
