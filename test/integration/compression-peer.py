# SPDX-License-Identifier: Apache-2.0
"""A foreign counterpart: reads DIR/plain, checks every DIR/NAME.ours and writes DIR/NAME.VARIANT.theirs."""

import gzip
import pathlib
import sys
import zlib

import cramjam
import zstandard

folder = pathlib.Path(sys.argv[1])
plain = (folder / "plain").read_bytes()
half = len(plain) // 2


def raw(data):
    deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
    return deflater.compress(data) + deflater.flush()


def streamed_zstd(data, **options):
    """A frame that does not tell its content's size."""
    parameters = zstandard.ZstdCompressionParameters.from_level(3, **options)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return compressor.compress(data) + compressor.flush()


READ = {
    "gzip": gzip.decompress,
    "zlib": zlib.decompress,
    "deflate": zlib.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompress(data),
    "snappy": lambda data: bytes(cramjam.snappy.decompress_raw(data)),
    "x-snappy-framed": lambda data: bytes(cramjam.snappy.decompress(data)),
    "lz4": lambda data: bytes(cramjam.lz4.decompress(data)),
}
WRITTEN = {
    "gzip.one": gzip.compress(plain),
    "gzip.fast": gzip.compress(plain, 1),
    "gzip.members": gzip.compress(plain[:half]) + gzip.compress(b"") + gzip.compress(plain[half:]),
    "zlib.one": zlib.compress(plain),
    "deflate.zlib": zlib.compress(plain, 9),
    "deflate.raw": raw(plain),
    "zstd.one": zstandard.ZstdCompressor(write_checksum=True).compress(plain),
    "zstd.streamed": streamed_zstd(plain),
    "zstd.window": streamed_zstd(plain, window_log=27),
    "zstd.frames": zstandard.ZstdCompressor().compress(plain[:half]) + streamed_zstd(plain[half:]),
    "snappy.block": bytes(cramjam.snappy.compress_raw(plain)),
    "snappy.framed": bytes(cramjam.snappy.compress(plain)),
    "x-snappy-framed.one": bytes(cramjam.snappy.compress(plain)),
    "lz4.one": bytes(cramjam.lz4.compress(plain)),
    "lz4.frames": bytes(cramjam.lz4.compress(plain[:half])) + bytes(cramjam.lz4.compress(plain[half:])),
}

for name, read in READ.items():
    if read((folder / f"{name}.ours").read_bytes()) != plain:
        sys.exit(f"{name}: read back differs")
for name, data in WRITTEN.items():
    (folder / f"{name}.theirs").write_bytes(data)
