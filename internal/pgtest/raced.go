//go:build race

package pgtest

// Raced says whether the race detector is on. It takes several times the program's
// memory and time: what measures memory, or is about size alone, is left out then.
const Raced = true
