// SPDX-License-Identifier: Apache-2.0
// Two goroutines that say what they do, by turns on and off the CPU; one that does not; one with labels beyond limits;
// one whose labels lead nowhere.
package main

import (
	"context"
	"fmt"
	"runtime/pprof"
	"strings"
	"time"
	"unsafe"
)

var sink uint64

//go:noinline
func burn(name string, ms int) {
	end := time.Now().Add(time.Duration(ms) * time.Millisecond)
	x := uint64(len(name))
	for time.Now().Before(end) {
		for i := 0; i < 2000; i++ {
			x = x*6364136223846793005 + 1
		}
	}
	sink = x
}

//go:noinline
func checkout() { burn("checkout", 20) }

//go:noinline
func search() { burn("search", 20) }

//go:noinline
func unlabelled() { burn("unlabelled", 20) }

//go:noinline
func excessive() { burn("excessive", 20) }

//go:noinline
func misled() { burn("misled", 20) }

// mislead breaks the labels of a context: the list (a map before Go 1.24) is behind the first word of the value.
func mislead(ctx context.Context) {
	type valueContext struct{ parent, key, value [2]unsafe.Pointer }
	of := (*[2]*valueContext)(unsafe.Pointer(&ctx))[1]
	*(*uintptr)(of.value[1]) = 16
}

func main() {
	ctx := context.Background()
	go func() {
		for {
			pprof.Do(ctx, pprof.Labels("endpoint", "/checkout", "tenant", "größe"), func(context.Context) { checkout() })
			time.Sleep(time.Millisecond)
		}
	}()
	go func() {
		for {
			pprof.Do(ctx, pprof.Labels("endpoint", "/search"), func(ctx context.Context) {
				pprof.Do(ctx, pprof.Labels("step", "rank"), func(context.Context) { search() })
			})
			time.Sleep(time.Millisecond)
		}
	}()
	go func() {
		for {
			unlabelled()
			time.Sleep(time.Millisecond)
		}
	}()
	go func() {
		lost := pprof.WithLabels(ctx, pprof.Labels("lost", "lost"))
		mislead(lost)
		pprof.SetGoroutineLabels(lost)
		for {
			misled()
			time.Sleep(time.Millisecond)
		}
	}()
	many := []string{"a", strings.Repeat("ß", 100), strings.Repeat("k", 100), "v"}
	for i := 0; i < 20; i++ {
		many = append(many, fmt.Sprintf("b%02d", i), "v")
	}
	for {
		pprof.Do(ctx, pprof.Labels(many...), func(context.Context) { excessive() })
		time.Sleep(time.Millisecond)
	}
}
