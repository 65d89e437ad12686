// Package people simulates the people who vote: a crowd with one taste, which the program is not told, whose members err now
// and then. It also says how far replies are to the taste, with an interval. Demonstrations and comparisons of methods use it.
package people
