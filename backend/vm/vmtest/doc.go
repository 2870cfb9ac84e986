// Package vmtest tests what package vm promises: Run is the contract of a
// vm.Driver as a test suite, for real drivers and for Fake alike, and Fake is a
// driver without a hypervisor, for tests of all that is built on one. What the
// fake does is thus held to the same contract as what it stands for.
package vmtest
