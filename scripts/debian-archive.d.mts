// SPDX-License-Identifier: Apache-2.0

interface DebianArchive {
  search(pattern: string): string[];
  unpack(packages: readonly string[], folder: string, ...patterns: readonly string[]): void;
}

export function debianArchive(architecture: string, suites: readonly string[]): DebianArchive;
