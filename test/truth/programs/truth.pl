# SPDX-License-Identifier: Apache-2.0
# Burns CPU in the interpreter: arithmetic, hashes, regular expressions and sorting with a callback.
use strict;
use warnings;

sub leaf { my $x = shift; $x = ($x * 1664525 + 1013904223) % 4294967296 for 1 .. 300; return $x }

my ($x, %seen) = (1);
while (1) {
    $x = leaf($x);
    $seen{ $x % 1000 }++;
    my @sorted = sort { $a <=> $b } map { ($x * $_) % 97 } 1 .. 50;
    $x++ if "@sorted" =~ /(\d+) \1 (\d)/;
}
