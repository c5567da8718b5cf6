# SPDX-License-Identifier: Apache-2.0
"""OTLP profiles as text, read with Google's protobuf."""


def folded(dictionary, profile):
    lines = []
    for sample in profile.samples:
        names = []
        for location in dictionary.stack_table[sample.stack_index].location_indices:
            for line in dictionary.location_table[location].lines:
                function = dictionary.function_table[line.function_index]
                names.append(dictionary.string_table[function.name_strindex])
        value = sum(sample.values) if sample.values else len(sample.timestamps_unix_nano)
        lines.append(";".join(reversed(names)) + " " + str(value))
    return lines


def record(request, metadata):
    """The request's resource attributes and stacks with their values, and its metadata."""
    made = {"metadata": metadata, "attributes": [], "folded": []}
    for resource in request.resource_profiles:
        made["attributes"] += [a.key + "=" + a.value.string_value for a in resource.resource.attributes]
        for scope in resource.scope_profiles:
            for profile in scope.profiles:
                made["folded"] += folded(request.dictionary, profile)
    return made
