// Package house holds the rules that keep Slipway readable, as tests: who may
// import whom, that every package says what it is, how long a file and a function
// may be. A rule that is only written down is broken within a month.
package house
