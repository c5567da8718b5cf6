// SPDX-License-Identifier: Apache-2.0
import { DecodeError, Wire, WireReader } from '../../internal/wire-reader.ts';
import { eachMessage } from './fields.ts';

/** Why samples without a dictionary are refused: what the revisions that wrote so lack. */
export const WITHOUT_DICTIONARY =
  'samples without a dictionary: OTLP 1.3 to 1.5 kept the tables inside each profile and a request of 1.6 had none; OTLP 1.7 and newer are supported';

/** Fields that each look passes before it gives up: real requests tell in their first profile. */
const MAX_FIELDS = 1 << 18;

/** What one field says: true where only 1.7 or older can have written it, false where only 1.8 or newer. */
type Says = boolean | undefined;

/**
 * Whether an ExportProfilesServiceRequest is of OTLP 1.7 (or older). The first field that only one side can
 * have written decides, whatever comes later: the decoder of that side refuses what contradicts. Without
 * such a field, and where the bytes are no protobuf, the answer is false. Looked at are, in this order:
 *
 * - Profile: 3 is fixed64 (time) since 1.8, LEN or varint before; 5 is LEN (period_type) since 1.8, varint
 *   (duration_nanos) before; 6 is varint (period) since 1.8, LEN (period_type) before
 * - attribute_table: 1 is a row since 1.8, text before; 3 (unit) came with 1.8
 * - dictionary field 7: stacks (1 packed or many times) since 1.8, attribute_units (2 is a row) before
 * - Sample: 5 are timestamps (LEN, fixed64) since 1.8, a link (varint) before; 4 is never a varint in 1.7
 *   but where its lists are not packed
 */
export function isOtlp17(bytes: Uint8Array): boolean {
  try {
    return looksOlder(new WireReader(bytes, 'OTLP profiles'));
  } catch (error) {
    if (error instanceof DecodeError) return false;
    throw error;
  }
}

function looksOlder(r: WireReader): boolean {
  let says: Says;
  let fields = 0;
  const stop = (): boolean => says !== undefined || ++fields > MAX_FIELDS;
  const looks: readonly (() => void)[] = [
    () => eachProfile(r, stop, () => (says = firstSays(r, profileSays))),
    () => eachTableRow(r, 6, stop, () => (says = firstSays(r, attributeSays))),
    () => eachTableRow(r, 7, stop, () => (says = stackOrUnitSays(r))),
    () => eachProfile(r, stop, () => eachMessage(r, 2, stop, () => (says = firstSays(r, sampleSays)))),
  ];
  for (const look of looks) {
    r.pos = 0;
    r.end = r.bytes.length;
    fields = 0;
    look();
    if (says !== undefined) return says;
  }
  return false;
}

function eachProfile(r: WireReader, stop: () => boolean, body: () => void): void {
  eachMessage(r, 1, stop, () => eachMessage(r, 2, stop, () => eachMessage(r, 2, stop, body)));
}

function eachTableRow(r: WireReader, field: number, stop: () => boolean, body: () => void): void {
  eachMessage(r, 2, stop, () => eachMessage(r, field, stop, body));
}

function firstSays(r: WireReader, says: (field: number, wire: number) => Says): Says {
  while (r.next()) {
    const said = says(r.field, r.wire);
    if (said !== undefined) return said;
    r.skip();
  }
  return undefined;
}

function profileSays(field: number, wire: number): Says {
  if (field === 3) return wire !== Wire.I64;
  if (field === 5) return wire === Wire.Varint;
  return field === 6 ? wire === Wire.Len : undefined;
}

function attributeSays(field: number, wire: number): Says {
  if (field === 1) return wire === Wire.Len;
  return field === 3 ? false : undefined;
}

function sampleSays(field: number, wire: number): Says {
  if (field === 5) return wire === Wire.Varint;
  return field === 4 && wire === Wire.Varint ? false : undefined;
}

/** A stack whose rows are not packed looks like a unit as long as it has one row. */
function stackOrUnitSays(r: WireReader): Says {
  let rows = 0;
  while (r.next()) {
    if (r.field === 2 && r.wire === Wire.Varint) return true;
    if (r.field === 1 && (r.wire === Wire.Len || ++rows > 1)) return false;
    r.skip();
  }
  return undefined;
}
