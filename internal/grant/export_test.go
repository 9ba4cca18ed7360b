package grant

// LetAnybodyApprove is a configuration that does not ask for different people.
func LetAnybodyApprove(c Config) Config {
	c.selfApproval = true
	return c
}

// LetAnythingBePromised is a configuration that does not look at what is free.
func LetAnythingBePromised(c Config) Config {
	c.unguarded = true
	return c
}
