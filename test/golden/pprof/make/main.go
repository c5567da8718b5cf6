// SPDX-License-Identifier: Apache-2.0

// Writes the profiles of runtime/pprof into the working directory.
package main

import (
	"context"
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"time"
)

var sink [][]byte

//go:noinline
func burn(n int) (s int) {
	for i := range n {
		s += i * i % 7
	}
	return s
}

func allocate(n int) {
	for i := range n {
		sink = append(sink, make([]byte, 1024+i%4096))
		if len(sink) > 200 {
			sink = sink[100:]
		}
	}
}

func contend(mu *sync.Mutex, wg *sync.WaitGroup) {
	defer wg.Done()
	for range 40 {
		mu.Lock()
		burn(200_000)
		mu.Unlock()
	}
}

func write(name string, debug int) {
	f, err := os.Create(name + ".pb.gz")
	if err != nil {
		panic(err)
	}
	defer f.Close()
	if err := pprof.Lookup(name).WriteTo(f, debug); err != nil {
		panic(err)
	}
}

func main() {
	runtime.MemProfileRate = 4096
	runtime.SetBlockProfileRate(1)
	runtime.SetMutexProfileFraction(1)
	f, err := os.Create("cpu.pb.gz")
	if err != nil {
		panic(err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		panic(err)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Add(1)
		labels := pprof.Labels("worker", string(rune('a'+i)), "job", "contend")
		pprof.Do(context.Background(), labels, func(context.Context) { go contend(&mu, &wg) })
	}
	wg.Wait()
	pprof.Do(context.Background(), pprof.Labels("job", "allocate"), func(context.Context) { allocate(200_000) })
	time.Sleep(10 * time.Millisecond)
	pprof.StopCPUProfile()
	f.Close()
	stop := make(chan struct{})
	for range 3 {
		go func() { <-stop }()
	}
	time.Sleep(10 * time.Millisecond)
	for _, name := range []string{"heap", "allocs", "goroutine", "mutex", "block", "threadcreate"} {
		write(name, 0)
	}
	close(stop)
}
