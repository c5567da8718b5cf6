#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compares the symbolizer with nm (must agree: a name that nm lists for the function at the address) and
# with llvm-symbolizer (share of equal names is printed). Needs gcc, nm; rustc, go, llvm-symbolizer,
# c++filt and clang's tools where present. OUT is the Makefile's output folder.
set -euo pipefail
OUT=${OUT:-/tmp/otelprof-symbols}
TOOL=$OUT/plain/symbols_tool
DIR=$(mktemp -d)
trap 'rm -rf "$DIR"' EXIT
failures=0
GO=$(command -v go || echo /usr/local/go/bin/go)

fail() { echo "FAIL: $*"; failures=$((failures + 1)); }

# nm agreement: 2,000 functions, a random address inside each.
compare_nm() {
  local file=$1 dynamic=${2:-}
  nm -S $dynamic --defined-only "$file" 2>/dev/null |
    awk 'NF==4 && $3 ~ /[tTwWi]/ && $2 !~ /^0+$/ {sub(/@.*/,"",$4); print $1, $2, $4}' > "$DIR/nm"
  awk '{print $1, $2}' "$DIR/nm" | sort -u | shuf -n 2000 --random-source=<(yes) |
    awk 'BEGIN{srand(1)} function hex(s,  i,v){v=0;for(i=1;i<=length(s);i++)v=v*16+index("0123456789abcdef",substr(s,i,1))-1;return v}
         {printf "%x\n", hex($1)+int(rand()*hex($2))}' > "$DIR/addresses"
  "$TOOL" lookup "$file" none < "$DIR/addresses" > "$DIR/ours"
  awk -F'\t' 'function hex(s,  i,v){v=0;for(i=1;i<=length(s);i++)v=v*16+index("0123456789abcdef",substr(s,i,1))-1;return v}
    NR==FNR {split($0,f," "); n++; start[n]=hex(f[1]); end[n]=start[n]+hex(f[2]); names[f[3]]=names[f[3]] " " n; next}
    {a=hex($1); ok=0; k=split(names[$2],at," "); for(i=1;i<=k;i++) if (a>=start[at[i]] && a<end[at[i]]) ok=1;
     total++; good+=ok; if(!ok) print > "/dev/stderr"}
    END {printf "%d %d\n", good, total}' "$DIR/nm" "$DIR/ours" 2> "$DIR/bad" > "$DIR/score"
  read -r good total < "$DIR/score"
  echo "nm: $file: $good of $total"
  if [ "$good" != "$total" ]; then head -5 "$DIR/bad"; fail "names of $file"; fi
  if command -v llvm-symbolizer > /dev/null; then
    sed 's/^/0x/' "$DIR/addresses" | llvm-symbolizer --no-demangle --no-inlines -e "$file" 2>/dev/null |
      awk 'BEGIN{RS=""; FS="\n"} {print $1}' > "$DIR/llvm"
    cut -f2 "$DIR/ours" | paste - "$DIR/llvm" | awk -F'\t' '$1==$2{n++} END{printf "  llvm-symbolizer: %d of %d equal\n", n, NR}'
  fi
}

# Go: our innermost frame and file:line against llvm-symbolizer's, which reads DWARF.
compare_go() {
  local file=$1 oracle=$2
  nm "$oracle" | awk '$2 ~ /[tT]/ && $3 ~ /^(main|fmt|sort|runtime|strconv)\./ {print $1}' |
    shuf -n 1500 --random-source=<(yes) |
    awk 'function hex(s,  i,v){v=0;for(i=1;i<=length(s);i++)v=v*16+index("0123456789abcdef",substr(s,i,1))-1;return v}
         {printf "%x\n", hex($1)+1}' > "$DIR/addresses"
  "$TOOL" lookup "$file" full < "$DIR/addresses" |
    awk -F'\t' '{print $2 "\t" $3}' | sed 's/ | .*//' > "$DIR/ours"
  sed 's/^/0x/' "$DIR/addresses" | llvm-symbolizer --no-demangle -e "$oracle" |
    awk 'BEGIN{RS=""; FS="\n"} {sub(/:[0-9]+$/,"",$2); sub(/[.]abi(0|internal)$/,"",$1); print $1 "\t" $2}' > "$DIR/llvm"
  # Where DWARF knows nothing (wrappers the compiler made) there is nothing to compare.
  paste "$DIR/ours" "$DIR/llvm" | awk -F'\t' '$4=="??:0"{next} {t++} $1==$3{n++} $2==$4{l++} $1!=$3||$2!=$4{print > "/dev/stderr"}
    END{printf "%d %d %d\n", n, l, t}' 2> "$DIR/bad" > "$DIR/score"
  read -r names lines total < "$DIR/score"
  echo "go: $file: $names names, $lines lines of $total equal to DWARF's"
  if [ $((names * 100)) -lt $((total * 98)) ] || [ $((lines * 100)) -lt $((total * 98)) ]; then
    head -5 "$DIR/bad"
    fail "Go names of $file"
  fi
}

cat > "$DIR/a.c" <<'C'
#include <stdio.h>
#include <stdlib.h>
static int helper(int x) { return x * 3; }
__attribute__((noinline)) int compare(const void *a, const void *b) { return helper(*(const int *)a) - *(const int *)b; }
int main(int n, char **v) { int x[3] = {3, 2, n}; qsort(x, 3, 4, compare); printf("%d %s\n", x[0], v[0]); return 0; }
C
cat > "$DIR/a.cc" <<'C'
#include <algorithm>
#include <iostream>
#include <map>
#include <string>
#include <vector>
namespace { struct Point { int x; bool operator<(const Point& o) const { return x < o.x; } }; }
template <typename... T> void log(T&&... parts) { (std::cout << ... << parts) << "\n"; }
int main() {
  std::vector<Point> v{{3}, {1}};
  std::sort(v.begin(), v.end());
  std::map<std::string, std::vector<int>> m;
  m["a"].push_back(v[0].x);
  log(m["a"][0], std::string("b"), 'c', [](auto x) { return x; }(3));
}
C
cat > "$DIR/a.rs" <<'C'
use std::collections::HashMap;
trait Shape { fn area(&self) -> f64; }
struct Sq(f64);
impl Shape for Sq { fn area(&self) -> f64 { self.0 * self.0 } }
fn main() { let mut m: HashMap<String, Vec<Box<dyn Shape>>> = HashMap::new();
  m.entry("a".into()).or_default().push(Box::new(Sq(2.0)));
  println!("{}", m["a"].iter().map(|s| s.area()).sum::<f64>()); }
C
mkdir "$DIR/go"
cat > "$DIR/go/go.mod" <<'C'
module sample
go 1.20
C
cat > "$DIR/go/main.go" <<'C'
package main

import (
	"fmt"
	"os"
	"sort"
)

func tiny(x int) int  { return x ^ 0x55 }
func small(x int) int { return x*3 + tiny(x) }

//go:noinline
func Outer(n int) int {
	s := 0
	for i := 0; i < n; i++ {
		s += small(i)
	}
	return s
}

func main() {
	x := []int{3, 2, 1}
	sort.Ints(x)
	fmt.Println(Outer(len(os.Args)*10), x)
}
C
gcc -O2 -o "$DIR/a-c" "$DIR/a.c"
g++ -O1 -std=c++17 -o "$DIR/a-cc" "$DIR/a.cc"
cp "$DIR/a-cc" "$DIR/a-cc-split"
objcopy --only-keep-debug "$DIR/a-cc-split" "$DIR/a-cc-split.debug"
strip "$DIR/a-cc-split"
objcopy --add-gnu-debuglink="$DIR/a-cc-split.debug" "$DIR/a-cc-split"

compare_nm "$DIR/a-c"
compare_nm "$DIR/a-cc"
# The stripped file must give the same names through its debuglink.
nm --defined-only "$DIR/a-cc" | awk '$2 ~ /[tTwW]/ {print $1}' > "$DIR/starts"
if ! diff <("$TOOL" lookup "$DIR/a-cc" full < "$DIR/starts") <("$TOOL" lookup "$DIR/a-cc-split" full < "$DIR/starts") > "$DIR/diff"; then
  head -5 "$DIR/diff"
  fail "debuglink"
else
  echo "debuglink: $(wc -l < "$DIR/starts") names equal"
fi
# .gnu_debugdata.
objcopy --only-keep-debug "$DIR/a-cc" "$DIR/mini" && xz -f "$DIR/mini"
cp "$DIR/a-cc" "$DIR/a-cc-mini"
strip "$DIR/a-cc-mini"
objcopy --add-section .gnu_debugdata="$DIR/mini.xz" "$DIR/a-cc-mini"
diff <("$TOOL" lookup "$DIR/a-cc" full < "$DIR/starts") <("$TOOL" lookup "$DIR/a-cc-mini" full < "$DIR/starts") > /dev/null ||
  fail "gnu_debugdata"
# PLT stubs, as objdump names them.
objdump -d --no-show-raw-insn -j .plt -j .plt.sec -j .plt.got "$DIR/a-cc" 2>/dev/null |
  sed -nE 's/^0*([0-9a-f]+) <(.+@plt)>:$/\1\t\2/p' | sed 's/@GLIBC[^@]*@/@/; s/@CXXABI[^@]*@/@/' > "$DIR/plt" || true
cut -f1 "$DIR/plt" | "$TOOL" lookup "$DIR/a-cc" none | cut -f1,2 > "$DIR/ours"
diff "$DIR/plt" "$DIR/ours" > "$DIR/diff" && echo "plt: $(wc -l < "$DIR/plt") stubs equal" || { head -5 "$DIR/diff"; fail "PLT names"; }
compare_nm "$(readlink -f "$(command -v bash)")" -D
for library in /lib/x86_64-linux-gnu/libstdc++.so.6 /usr/lib/x86_64-linux-gnu/libstdc++.so.6; do
  if [ -e "$library" ]; then compare_nm "$library" -D; break; fi
done
if command -v node > /dev/null; then compare_nm "$(command -v node)"; fi
if command -v rustc > /dev/null; then
  rustc -O -C debuginfo=0 -o "$DIR/a-rs" "$DIR/a.rs"
  rustc -O -C debuginfo=0 -C symbol-mangling-version=v0 -o "$DIR/a-rs-v0" "$DIR/a.rs"
  compare_nm "$DIR/a-rs"
  compare_nm "$DIR/a-rs-v0"
fi
if [ -x "$GO" ]; then
  (cd "$DIR/go" && GOTOOLCHAIN=local GOFLAGS=-mod=mod "$GO" build -o ../go-normal . &&
    GOTOOLCHAIN=local GOFLAGS=-mod=mod "$GO" build -ldflags='-s -w' -o ../go-stripped . &&
    GOTOOLCHAIN=local GOFLAGS=-mod=mod "$GO" build -buildmode=pie -o ../go-pie . &&
    strip --keep-section=.gopclntab -o ../go-pie-stripped ../go-pie)
  compare_go "$DIR/go-normal" "$DIR/go-normal"
  compare_go "$DIR/go-stripped" "$DIR/go-normal"
  compare_go "$DIR/go-pie-stripped" "$DIR/go-pie"
fi
for file in "$DIR/a-c" "$(readlink -f "$(command -v bash)")"; do
  size=$(stat -c %s "$file")
  expected=$({ head -c4096 "$file"; tail -c4096 "$file"; printf "$(printf '%016x' "$size" | sed 's/../\\x&/g')"; } | sha256sum | cut -c1-32)
  [ "$("$TOOL" htlhash "$file")" = "$expected" ] && echo "htlhash: $file" || fail "htlhash of $file"
  id=$(readelf -n "$file" 2>/dev/null | awk '/Build ID/{print $3}')
  [ "$("$TOOL" buildid "$file")" = "$id" ] || fail "build id of $file"
done
if [ -n "${FUZZ:-}" ]; then "$OUT/asan/elf_test" "$DIR/a-c" "$DIR/a-rs-v0" "$DIR/go-stripped" "$DIR/go-pie-stripped" || fail fuzz; fi
[ "$failures" = 0 ] && echo "all agree" || { echo "$failures failures"; exit 1; }
