#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes recording.txt anew: record.c without frame pointers, with them, and with signed return addresses, run by QEMU.
# Needs gcc-aarch64-linux-gnu and qemu-user-static. Lines: program, elf (bytes in hex), symbol, point, stack.
set -eu
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

record() {
  name=$1
  shift
  aarch64-linux-gnu-gcc -O2 -nostdlib -static -ffreestanding -fno-stack-protector -fasynchronous-unwind-tables \
    -Wl,--build-id=none -Wl,-z,max-page-size=4096 "$@" -o "$work/program" "$here/record.c"
  echo "program $name"
  aarch64-linux-gnu-nm --print-size "$work/program" | grep -i ' t ' | awk '{print "symbol", $4, $1, $2}'
  aarch64-linux-gnu-strip --strip-all -R .comment "$work/program"
  echo "elf $(od -An -v -tx1 "$work/program" | tr -d ' \n')"
  qemu-aarch64-static -cpu max "$work/program"
}

{
  echo "# SPDX-License-Identifier: Apache-2.0"
  record "no frame pointers" -fomit-frame-pointer
  record "frame pointers" -fno-omit-frame-pointer
  record "signed return addresses" -fomit-frame-pointer -march=armv8.3-a -mbranch-protection=pac-ret
} >"$here/recording.txt"
