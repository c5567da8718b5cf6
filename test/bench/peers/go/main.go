// SPDX-License-Identifier: Apache-2.0

// The Go side of the benchmark: the Collector's own pdata and grpc-go, and google/pprof.
// "measure" answers one JSON request a line, as test/bench/contender.ts sends them; "reread"
// answers requests with what pdata makes of them; "relay" and "push" run until stdin closes.
package main

import (
	"fmt"
	"os"
	"runtime/debug"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("usage: measure | reread | relay ... | push ... | versions")
	}
	switch args[0] {
	case "measure":
		return measureLoop(os.Stdin, os.Stdout)
	case "reread":
		return rereadLoop(os.Stdin, os.Stdout)
	case "relay":
		return relay(args[1:])
	case "push":
		return push(args[1:])
	case "versions":
		return versions()
	default:
		return fmt.Errorf("unknown command %q", args[0])
	}
}

// versions prints the modules that the results name.
func versions() error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return fmt.Errorf("built without module information")
	}
	fmt.Println("go", info.GoVersion)
	for _, module := range info.Deps {
		fmt.Println(module.Path, module.Version)
	}
	return nil
}
