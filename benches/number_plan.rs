//! Time to classify one number, over all countries in random order, beside the
//! `phonenumber` crate's own parsing and validation of the same numbers.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use phonenumber::metadata::DATABASE;
use pumpwatch::model::{E164, Prefix};
use pumpwatch::number_plan::{NumberPlan, path};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const NUMBERS: usize = 20_000;
const NUMBERS_OF_CRATE: usize = 500;

/// Example numbers of every region and type with their last digits replaced:
/// mostly valid, in random order of countries.
fn numbers() -> Vec<E164> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut examples: Vec<String> = Vec::new();
    for code in 1..=999u16 {
        for territory in DATABASE.by_code(&code).unwrap_or_default() {
            let d = territory.descriptors();
            let types = [d.fixed_line(), d.mobile(), d.toll_free(), d.voip(), d.uan()];
            let national = types.into_iter().flatten().filter_map(|d| d.example());
            examples.extend(national.map(|national| format!("{code}{national}")));
        }
    }
    examples.sort_unstable();
    let mut numbers: Vec<E164> = std::iter::repeat_with(|| {
        let mut digits = examples.choose(&mut rng).expect("there are examples").clone();
        let kept = digits.len().saturating_sub(4);
        digits.truncate(kept);
        digits.extend((0..4).map(|_| char::from(b'0' + rng.random_range(0..10u8))));
        E164::parse_digits(&digits)
    })
    .flatten()
    .take(NUMBERS)
    .collect();
    numbers.shuffle(&mut rng);
    numbers
}

fn number_plan(c: &mut Criterion) {
    let numbers = numbers();
    let plan = NumberPlan::shared();
    let valid = numbers.iter().filter(|&&number| plan.classify(number).valid).count();
    eprintln!("{valid} of {NUMBERS} numbers are valid");

    let mut at = (0..NUMBERS).cycle();
    let mut next = || numbers[at.next().expect("a cycle has no end")];
    c.bench_function("classify", |b| b.iter(|| plan.classify(black_box(next()))));
    c.bench_function("classify and walk the path", |b| {
        b.iter(|| {
            let number = black_box(next());
            let class = plan.classify(number);
            path(number, &class).map(Prefix::digits).fold(0, u64::wrapping_add)
        });
    });

    let texts: Vec<String> = numbers.iter().take(NUMBERS_OF_CRATE).map(E164::to_string).collect();
    let mut at = (0..NUMBERS_OF_CRATE).cycle();
    let mut group = c.benchmark_group("slow");
    group.sample_size(10);
    group.bench_function("parse and validate with the phonenumber crate", |b| {
        b.iter(|| {
            let text = &texts[at.next().expect("a cycle has no end")];
            phonenumber::parse(None, black_box(text)).is_ok_and(|number| number.is_valid())
        });
    });
    group.bench_function("compile", |b| b.iter(NumberPlan::compile));
    group.finish();
}

criterion_group!(benches, number_plan);
criterion_main!(benches);
