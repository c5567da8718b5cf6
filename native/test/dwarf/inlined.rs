// SPDX-License-Identifier: Apache-2.0
// Iterators, closures, generics and formatting, inlined by the optimizer.
use std::collections::{BTreeMap, HashMap};
use std::fmt;

trait Shape {
    fn area(&self) -> f64;
}
struct Square(f64);
struct Circle(f64);
impl Shape for Square {
    fn area(&self) -> f64 {
        self.0 * self.0
    }
}
impl Shape for Circle {
    fn area(&self) -> f64 {
        self.0 * self.0 * 3.14159
    }
}

#[derive(Debug, Clone, PartialEq, PartialOrd)]
struct Entry<T> {
    who: String,
    amount: T,
}

impl<T: fmt::Display> fmt::Display for Entry<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.who, self.amount)
    }
}

#[inline]
fn rotate(x: u32, by: u32) -> u32 {
    x.rotate_left(by & 31)
}

#[inline(never)]
fn tally(words: &[String]) -> BTreeMap<String, Vec<u32>> {
    let mut out: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for (i, word) in words.iter().enumerate() {
        let sum = word.bytes().fold(7, |sum: u32, b| rotate(sum ^ u32::from(b), i as u32));
        out.entry(word.to_lowercase()).or_default().push(sum);
    }
    out
}

fn main() {
    let words: Vec<String> = std::env::args().flat_map(|a| a.split('/').map(str::to_owned).collect::<Vec<_>>()).collect();
    let mut entries: Vec<Entry<u64>> = tally(&words)
        .into_iter()
        .map(|(who, amounts)| Entry { who, amount: amounts.iter().map(|&a| u64::from(a)).sum() })
        .collect();
    entries.sort_by(|a, b| b.amount.cmp(&a.amount).then_with(|| a.who.cmp(&b.who)));
    let lengths: HashMap<usize, usize> = words.iter().fold(HashMap::new(), |mut m, w| {
        *m.entry(w.len()).or_insert(0) += 1;
        m
    });
    let shapes: Vec<Box<dyn Shape>> = vec![Box::new(Square(2.0)), Box::new(Circle(words.len() as f64))];
    for entry in &entries {
        println!("{entry} {:?}", lengths.get(&entry.who.len()));
    }
    println!("{:.3}", shapes.iter().map(|s| s.area()).sum::<f64>());
}
