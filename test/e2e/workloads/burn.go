// SPDX-License-Identifier: Apache-2.0
// Burns CPU in a goroutine below a known chain: outerWork > innerWork.
package main

var sink uint64

//go:noinline
func innerWork(x uint64) uint64 {
	for i := 0; i < 2000; i++ {
		x = x*6364136223846793005 + 1
	}
	return x
}

//go:noinline
func outerWork(x uint64) uint64 {
	y := innerWork(x)
	return y ^ 1
}

func main() {
	done := make(chan struct{})
	go func() {
		for {
			sink = outerWork(sink)
		}
	}()
	<-done
}
