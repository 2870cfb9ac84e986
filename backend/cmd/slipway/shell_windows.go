package main

// shell runs a command line that follows it as one argument.
var shell = []string{"cmd.exe", "/C"}
