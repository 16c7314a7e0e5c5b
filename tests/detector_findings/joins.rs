//! People whose approvals reach their attempts in unusual ways are people all the same.

use pumpwatch::model::{EventBody, MINUTE, Millis, Outcome, SECOND, Verification};

use crate::world::{ATTACK, World, send};

/// How an approval names its attempt.
#[derive(Clone, Copy, Debug)]
enum By {
    Number,
    Session,
    Message,
    /// It names the session and arrives before the send does.
    SessionBefore,
    NumberBefore,
    /// After a resend under other names, the first message's code comes back.
    FirstOfTwo,
    /// Nobody answers: what the others are compared with.
    Nobody,
}

/// A launch in a new country: 120 people from their own networks in an hour, of whom
/// about 70 % verify.
fn launch(by: By) -> Vec<String> {
    let mut world = World::honest(3);
    for i in 0..120 {
        let at = ATTACK + i * 30 * SECOND;
        let number = 998_901_000_000 + world.dice.below(10_000_000);
        let asked = world.local(number, "UZ", 8_000, 0x0070_0000);
        let EventBody::Send(plain) = send(&asked) else {
            unreachable!("a send")
        };
        let named = |n: i64| {
            EventBody::Send(pumpwatch::model::Send {
                session: Some(format!("S{i}-{n}").into()),
                message_id: Some(format!("M{i}-{n}").into()),
                ..plain.clone()
            })
        };
        let approved = |session: Option<String>, message: Option<String>| {
            EventBody::Verification(Verification {
                session: session.map(Into::into),
                message_id: message.map(Into::into),
                outcome: Outcome::Approved,
            })
        };
        let verifies = world.dice.below(10) < 7;
        world.put(at, asked.number, "otp", named(0));
        let (when, answer): (Millis, _) = match by {
            By::Nobody => continue,
            By::Number => (at + 20 * SECOND, approved(None, None)),
            By::Session => (at + 20 * SECOND, approved(Some(format!("S{i}-0")), None)),
            By::Message => (at + 20 * SECOND, approved(None, Some(format!("M{i}-0")))),
            By::SessionBefore => (at - 2 * SECOND, approved(Some(format!("S{i}-0")), None)),
            By::NumberBefore => (at - 2 * SECOND, approved(None, None)),
            By::FirstOfTwo => {
                world.put(at + 15 * SECOND, asked.number, "otp", named(1));
                (at + 25 * SECOND, approved(Some(format!("S{i}-0")), None))
            }
        };
        if verifies {
            // Only a name can tell who is meant.
            let number = match by {
                By::Number | By::NumberBefore => asked.number,
                _ => 998_900_000_000,
            };
            world.put(when, number, "otp", answer);
        }
    }
    world.told().blocked()
}

#[test]
fn a_launch_is_not_blocked_however_its_approvals_are_joined() {
    for by in [
        By::Number,
        By::Session,
        By::Message,
        By::SessionBefore,
        By::NumberBefore,
        By::FirstOfTwo,
    ] {
        assert_eq!(launch(by), Vec::<String>::new(), "{by:?}");
    }
    assert!(!launch(By::Nobody).is_empty(), "silence is what tells");
}

/// An approval of a number speaks for no send that came minutes later.
#[test]
fn an_old_approval_does_not_speak_for_a_later_attempt() {
    let mut world = World::honest(3);
    for i in 0..60 {
        let number = 998_901_230_000 + 137 * i;
        let asked = world.robot(number as u64);
        world.approve(ATTACK + i * 10 * SECOND - 2 * MINUTE, &asked);
        world.ask(ATTACK + i * 10 * SECOND, &asked);
    }
    assert!(!world.told().blocked().is_empty());
}
