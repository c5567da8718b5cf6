// SPDX-License-Identifier: Apache-2.0
// A program that knows its own stack, in a goroutine.
package main

import (
	"sort"
	"time"
)

const (
	phases = 4
	rungs  = 100
)

var sink uint64

func burn(x uint64) uint64 {
	for i := 0; i < 20000; i++ {
		x = x*6364136223846793005 + 1
	}
	return x
}

//go:noinline
func evenLeaf(x uint64) uint64 { return burn(x) }

//go:noinline
func evenMiddle(x uint64) uint64 { return evenLeaf(x) ^ 1 }

//go:noinline
func evenOuter(x uint64) uint64 { return evenMiddle(x) ^ 1 }

//go:noinline
func oddLeaf(x uint64) uint64 { return burn(x) }

//go:noinline
func oddMiddle(x uint64) uint64 { return oddLeaf(x) ^ 2 }

//go:noinline
func oddOuter(x uint64) uint64 { return oddMiddle(x) ^ 2 }

//go:noinline
func ladderLeaf(x uint64) uint64 { return burn(x) }

//go:noinline
func ladderRung(n int, x uint64) uint64 {
	if n == 1 {
		return ladderLeaf(x) ^ 3
	}
	return ladderRung(n-1, x) ^ 3
}

//go:noinline
func ladderOuter(x uint64) uint64 { return ladderRung(rungs, x) ^ 3 }

//go:noinline
func sandwichLeaf(a, b uint64) bool {
	sink += burn(a)
	return a < b
}

// Ours below the standard library's sort, through a closure.
//
//go:noinline
func sandwichOuter() uint64 {
	v := []uint64{5, 3, 7, 1, 8, 2, 6, 4}
	sort.Slice(v, func(i, j int) bool { return sandwichLeaf(v[i], v[j]) })
	return v[0]
}

func main() {
	done := make(chan struct{})
	go func() {
		for {
			switch time.Now().UnixMilli() / 500 % phases {
			case 0:
				sink += evenOuter(sink)
			case 1:
				sink += oddOuter(sink)
			case 2:
				sink += ladderOuter(sink)
			default:
				sink += sandwichOuter()
			}
		}
	}()
	<-done
}
