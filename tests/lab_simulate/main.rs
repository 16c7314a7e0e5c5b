//! The simulated worlds against the facts they claim to follow, and the
//! simulator against its promises: same bytes, order of arrival, bounded memory,
//! labels that tell the truth.

mod campaigns;
mod facts;
mod promises;

use pumpwatch::lab::simulate::{Scenario, SimEvent, Simulator, write_line};
use pumpwatch::model::{Destination, E164, EventBody};

const ONE_TENANT: &str = r#"
description: "test"
world:
  duration: 7d
  tenants:
    - {name: acme, sends_per_day: 40000, home: US, countries: 60}
"#;

fn scenario(overlays: &str) -> Scenario {
    let text = if overlays.is_empty() {
        ONE_TENANT.to_string()
    } else {
        format!("{ONE_TENANT}overlays:\n{overlays}")
    };
    Scenario::parse("test", &text).unwrap()
}

fn to(event: &SimEvent) -> Option<E164> {
    match event.event.to {
        Destination::Number(number) => Some(number),
        _ => None,
    }
}

fn is_send(event: &SimEvent) -> bool {
    matches!(event.event.body, EventBody::Send(_))
}

fn name_of(simulator: &Simulator, event: &SimEvent) -> Option<String> {
    event.label.map(|label| simulator.label_name(label).to_string())
}

fn line_of(simulator: &Simulator, event: &SimEvent) -> String {
    let mut line = String::new();
    write_line(event, name_of(simulator, event).as_deref(), &mut line);
    line
}
