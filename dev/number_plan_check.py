#!/usr/bin/env python3
"""Compares Pumpwatch's number plan with PyPI `phonenumbers` over a million numbers.

    python3 -m venv VENV && VENV/bin/pip install phonenumbers==9.0.33
    cargo build --example number_plan_dump
    VENV/bin/python dev/number_plan_check.py

The version must be that of the metadata in Cargo.lock (`phonenumber` 0.3.10+9.0.33).
Another program that reads numbers and answers as `pumpwatch number -` does:
`--command "target/release/pumpwatch number -"`. Exit code 0: no difference.

Both sides see the national number as dialled after the calling code, with its
leading zeros (`italian_leading_zero`, `number_of_leading_zeros`), and never
strip a national prefix. Compared for every number: validity, type, calling code,
the shape of the path, and the region, which Pumpwatch must name as libphonenumber
does; where libphonenumber names none although the calling code is known, the
number must be invalid and Pumpwatch's guess a region of that calling code.
"""

import argparse
import collections
import json
import random
import shlex
import subprocess
import sys
import tempfile

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumber, PhoneNumberType

METADATA_VERSION = "9.0.33"
TYPES = {
    PhoneNumberType.FIXED_LINE: "fixed_line",
    PhoneNumberType.MOBILE: "mobile",
    PhoneNumberType.FIXED_LINE_OR_MOBILE: "fixed_line_or_mobile",
    PhoneNumberType.TOLL_FREE: "toll_free",
    PhoneNumberType.PREMIUM_RATE: "premium_rate",
    PhoneNumberType.SHARED_COST: "shared_cost",
    PhoneNumberType.VOIP: "voip",
    PhoneNumberType.PERSONAL_NUMBER: "personal_number",
    PhoneNumberType.PAGER: "pager",
    PhoneNumberType.UAN: "uan",
    PhoneNumberType.VOICEMAIL: "voicemail",
    PhoneNumberType.UNKNOWN: "unknown",
}
DESCRIPTIONS = ["fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "voip",
                "personal_number", "pager", "uan", "voicemail", "no_international_dialling", "general_desc"]


def examples():
    """(label, calling code, national example) for every region and type."""
    found = []
    for code, regions in sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items()):
        for region in regions:
            if region == "001":
                metadata = PhoneMetadata.metadata_for_nongeo_region(code)
                label = f"001+{code}"
            else:
                metadata = PhoneMetadata.metadata_for_region(region)
                label = region
            national = {getattr(metadata, name).example_number for name in DESCRIPTIONS
                        if getattr(metadata, name) is not None}
            found += [(label, str(code), example) for example in sorted(national - {None})]
    return found


def digits(rng, count):
    return "".join(rng.choice("0123456789") for _ in range(count))


def variant(rng, code, national):
    """One number made from an example: (kind, national digits)."""
    kind = rng.choices(["tail", "one_digit", "head", "two_digits", "length", "zeros", "random"],
                       [30, 20, 15, 10, 10, 5, 10])[0]
    if kind == "tail":
        keep = rng.randint(0, len(national))
        return kind, national[:keep] + digits(rng, len(national) - keep)
    if kind == "head":
        keep = rng.randint(1, min(4, len(national)))
        return kind, digits(rng, keep) + national[keep:]
    if kind in ("one_digit", "two_digits"):
        text = list(national)
        for _ in range(1 if kind == "one_digit" else 2):
            text[rng.randrange(len(text))] = rng.choice("0123456789")
        return kind, "".join(text)
    if kind == "length":
        if rng.random() < 0.5:
            return kind, national[:rng.randint(1, len(national))]
        return kind, national + digits(rng, rng.randint(1, 5))
    if kind == "zeros":
        return kind, "0" * rng.randint(1, 3) + national[rng.randint(0, 2):]
    return kind, digits(rng, rng.randint(4, 15 - len(code)))


def generate(count, seed):
    """Distinct (label of the region, kind of variant, +digits), every region about as often as every other."""
    rng = random.Random(seed)
    by_region = collections.defaultdict(list)
    for label, code, national in examples():
        by_region[label].append((code, national))
    labels = sorted(by_region)
    numbers = {}
    step = 0
    while len(numbers) < count:
        step += 1
        if step % 50 == 0:
            label, kind, text = "any", "any_digits", str(rng.randint(1, 9)) + digits(rng, rng.randint(6, 14))
        else:
            label = labels[step % len(labels)]
            code, national = rng.choice(by_region[label])
            kind, national = variant(rng, code, national)
            text = code + national
        if 7 <= len(text) <= 15:
            numbers.setdefault("+" + text, (label, kind))
        elif kind == "length":
            numbers.setdefault("+" + text, (label, "not_e164"))
    return [(label, kind, number) for number, (label, kind) in numbers.items()]


def expected(number):
    """(valid, region, type, calling code) by libphonenumber."""
    for code_len in (1, 2, 3):
        code = int(number[1:1 + code_len])
        if code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            break
    else:
        return False, None, "unknown", None
    national = number[1 + code_len:]
    zeros = len(national) - len(national.lstrip("0"))
    # A national number of zeros only is the number 0 with one leading zero less.
    zeros = min(zeros, len(national) - 1)
    parsed = PhoneNumber(country_code=code, national_number=int(national),
                         italian_leading_zero=True if zeros else None,
                         number_of_leading_zeros=zeros if zeros else None)
    assert phonenumbers.national_significant_number(parsed) == national
    region = phonenumbers.region_code_for_number(parsed)
    number_type = TYPES[phonenumbers.number_type(parsed)]
    return phonenumbers.is_valid_number(parsed), region, number_type, code


def path_is_sound(number, code, path):
    """From at least the calling code to the block of 100, one digit more at each step."""
    first = len(path[0]) if path else 0
    return (path == [number[:length] for length in range(first, len(number) - 1)]
            and first > len(str(code or "")) and first > 1)


def differences(number, got):
    """The names of all fields that differ."""
    if not 7 <= len(number) - 1 <= 15:
        refused = got["e164"] is None and got["region"] is None and not got["valid"] and got["path"] == []
        return [] if refused else ["refusal"]
    valid, region, number_type, code = expected(number)
    wrong = [name for name, value in
             [("valid", valid), ("type", number_type), ("calling_code", code), ("e164", number)]
             if got[name] != value]
    if region is not None or code is None:
        if got["region"] != region:
            wrong.append("region")
    elif got["region"] not in phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]:
        wrong.append("guessed_region")
    if not path_is_sound(number, code, got["path"]):
        wrong.append("path")
    return wrong


def run(command, numbers):
    """The answers of the program, one a number."""
    with tempfile.TemporaryFile("w+") as questions:
        questions.writelines(number + "\n" for _, _, number in numbers)
        questions.seek(0)
        with subprocess.Popen(shlex.split(command), stdin=questions, stdout=subprocess.PIPE, text=True) as program:
            yield from map(json.loads, program.stdout)
        if program.returncode != 0:
            sys.exit(f"{command!r} ended with exit code {program.returncode}")


def main():
    parser = argparse.ArgumentParser(description="Compare the number plan with PyPI phonenumbers.")
    parser.add_argument("--numbers", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--command", default="target/debug/examples/number_plan_dump")
    options = parser.parse_args()
    if phonenumbers.__version__ != METADATA_VERSION:
        sys.exit(f"phonenumbers {phonenumbers.__version__} is installed, but the number plan is that of "
                 f"{METADATA_VERSION}: pip install phonenumbers=={METADATA_VERSION}")

    numbers = generate(options.numbers, options.seed)
    counts = collections.Counter()
    of_kind = collections.defaultdict(collections.Counter)
    labels = collections.Counter()
    found = collections.defaultdict(list)
    answered = 0
    for (label, kind, number), got in zip(numbers, run(options.command, numbers)):
        answered += 1
        if got["input"] != number:
            sys.exit(f"the answer to {number} is about {got['input']}")
        wrong = differences(number, got)
        state = "valid" if got["valid"] else "invalid"
        counts[state] += 1
        of_kind[kind][state] += 1
        labels[label] += 1
        for name in wrong:
            found[name, label].append(number)
        counts["different" if wrong else "equal"] += 1
    if answered != len(numbers):
        sys.exit(f"{len(numbers)} numbers were asked and {answered} answered")

    print(f"{answered} numbers of {len(labels)} plans (seed {options.seed}): "
          f"{counts['valid']} valid, {counts['invalid']} invalid")
    for kind, states in sorted(of_kind.items()):
        print(f"  {kind:12} {states['valid']:8} valid {states['invalid']:8} invalid")
    print(f"equal in all fields: {counts['equal']}, different: {counts['different']}")
    for (name, label), examples_found in sorted(found.items()):
        print(f"  {name} in {label}: {len(examples_found)}, such as {', '.join(examples_found[:5])}")
    return 1 if counts["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
