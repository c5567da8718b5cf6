// SPDX-License-Identifier: Apache-2.0

// Burns CPU and allocates, and pushes profiles of itself with pyroscope-go: go-pyroscope-sender URL
package main

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/grafana/pyroscope-go"
)

var kept [][]byte

//go:noinline
func burnCPU(until time.Time) (sum int) {
	for time.Now().Before(until) {
		for i := 0; i < 1_000_000; i++ {
			sum += i ^ sum
		}
	}
	return sum
}

//go:noinline
func allocate() {
	// Far more than what the profiler itself allocates.
	for i := 0; i < 256; i++ {
		kept = append(kept, make([]byte, 1<<20))
	}
}

func main() {
	runtime.SetMutexProfileFraction(1)
	runtime.SetBlockProfileRate(1)
	profiler, err := pyroscope.Start(pyroscope.Config{
		ApplicationName: "go-shop",
		ServerAddress:   os.Args[1],
		Tags:            map[string]string{"region": "eu"},
		UploadRate:      time.Second,
		ProfileTypes: []pyroscope.ProfileType{
			pyroscope.ProfileCPU, pyroscope.ProfileAllocObjects, pyroscope.ProfileAllocSpace,
			pyroscope.ProfileInuseObjects, pyroscope.ProfileInuseSpace, pyroscope.ProfileGoroutines,
			pyroscope.ProfileMutexCount, pyroscope.ProfileMutexDuration,
			pyroscope.ProfileBlockCount, pyroscope.ProfileBlockDuration,
		},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	allocate()
	wait := make(chan int)
	go func() { wait <- burnCPU(time.Now().Add(2500 * time.Millisecond)) }()
	<-wait
	runtime.GC()
	burnCPU(time.Now().Add(1500 * time.Millisecond))
	if err := profiler.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
