// SPDX-License-Identifier: Apache-2.0
// Burns CPU below a known chain: main > outer_work > inner_work.

/// Hides a value from the optimizer; std::hint::black_box needs a newer compiler than Debian's.
fn hide(x: u64) -> u64 {
    unsafe { std::ptr::read_volatile(&x) }
}

#[inline(never)]
fn inner_work(seed: u64) -> u64 {
    let mut x = seed;
    for _ in 0..2000 {
        x = hide(x.wrapping_mul(6364136223846793005).wrapping_add(1));
    }
    x
}

#[inline(never)]
fn outer_work(seed: u64) -> u64 {
    let x = inner_work(seed);
    hide(x) ^ 1
}

fn main() {
    let mut x = 1;
    loop {
        x = outer_work(x);
    }
}
