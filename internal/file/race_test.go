//go:build race

package file_test

// raced says that the race detector is on, whose own memory is several times the program's.
const raced = true
