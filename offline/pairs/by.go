package pairs

// By returns the rows whose voters keep says yes to; it is given nobody where a row has no voter with a name. Dropped is shared.
func (s Set) By(keep func(users []string) bool) Set {
	return s.filter(func(m Meta) bool { return keep(m.Users) })
}
