// SPDX-License-Identifier: Apache-2.0
// A program that knows its own stack, in a thread.
use std::time::{SystemTime, UNIX_EPOCH};

const PHASES: u128 = 4;
const RUNGS: u32 = 100;

/// Hides a value from the optimizer; std::hint::black_box needs a newer compiler than Debian's.
fn hide(x: u64) -> u64 {
    unsafe { std::ptr::read_volatile(&x) }
}

fn phase() -> u128 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_millis() / 500 % PHASES
}

#[inline(always)]
fn burn(seed: u64) -> u64 {
    let mut x = seed;
    for _ in 0..5000 {
        x = hide(x.wrapping_mul(6364136223846793005).wrapping_add(1));
    }
    x
}

#[inline(never)]
fn even_leaf(x: u64) -> u64 {
    burn(x)
}
#[inline(never)]
fn even_middle(x: u64) -> u64 {
    hide(even_leaf(x)) ^ 1
}
#[inline(never)]
fn even_outer(x: u64) -> u64 {
    hide(even_middle(x)) ^ 1
}

#[inline(never)]
fn odd_leaf(x: u64) -> u64 {
    burn(x) ^ 2
}
#[inline(never)]
fn odd_middle(x: u64) -> u64 {
    hide(odd_leaf(x)) ^ 2
}
#[inline(never)]
fn odd_outer(x: u64) -> u64 {
    hide(odd_middle(x)) ^ 2
}

#[inline(never)]
fn ladder_leaf(x: u64) -> u64 {
    burn(x) ^ 3
}
#[inline(never)]
fn ladder_rung(n: u32, x: u64) -> u64 {
    hide(if n == 1 { ladder_leaf(x) } else { ladder_rung(n - 1, x) }) ^ 3
}
#[inline(never)]
fn ladder_outer(x: u64) -> u64 {
    hide(ladder_rung(RUNGS, x)) ^ 3
}

trait Leaf {
    fn sandwich_leaf(&self, x: u64) -> u64;
}
struct Burner;
impl Leaf for Burner {
    #[inline(never)]
    fn sandwich_leaf(&self, x: u64) -> u64 {
        burn(x) ^ 4
    }
}
// A closure behind a trait object, below the standard library's sort.
#[inline(never)]
fn sandwich_outer(x: u64, leaf: &dyn Leaf) -> u64 {
    let mut values = [5u64, 3, 7, 1];
    values.sort_by_key(|v| leaf.sandwich_leaf(x ^ v));
    hide(values[0])
}

fn main() {
    let worker = std::thread::spawn(|| {
        let leaf: Box<dyn Leaf> = Box::new(Burner);
        let mut x = 1;
        loop {
            x = match phase() {
                0 => even_outer(x),
                1 => odd_outer(x),
                2 => ladder_outer(x),
                _ => sandwich_outer(x, leaf.as_ref()),
            };
        }
    });
    worker.join().unwrap();
}
