//! Answers of those who were not asked.

use gatelet_proto::dns::{Dropped, Event, Transport};
use gatelet_wire::IpAddress;
use gatelet_wire::dns::{self, Class, Flags, Message, NameBuf, Rcode, Section, Type, Writer};
use smoltcp::wire::IpEndpoint;

use crate::world::{S1, S2, World, a, response, show};

const RIGHT: &str = "NOERROR www.example.org A : A 300 203.0.113.7";

/// A world that waits for an answer, and the answer as it should be.
fn waiting() -> (World, Vec<u8>) {
    let mut world = World::new();
    world.ask(1, "www.example.org", Type::A).unwrap();
    let right = response(&world.last_asked().bytes, Flags::RECURSION_AVAILABLE, a(7, 300));
    (world, right)
}

/// The forged answer is ignored for `reason`, and the right one taken after it.
#[track_caller]
fn is_ignored(reason: Dropped, forge: impl FnOnce(&mut Vec<u8>)) {
    let (mut world, right) = waiting();
    let mut forged = right.clone();
    let address = forged.len() - 1;
    forged[address] = 66;
    forge(&mut forged);
    let asked = world.last_asked();
    assert_eq!(world.reply(&asked, &forged), Err(reason));
    assert!(world.told.is_empty());
    world.expect_count(reason, 1);
    world.reply(&asked, &right).unwrap();
    assert_eq!(show(&world.last_told().bytes), RIGHT);
}

#[test]
fn another_id() {
    is_ignored(Dropped::WrongId, |bytes| bytes[1] ^= 1);
}

#[test]
fn a_query_instead_of_a_response() {
    is_ignored(Dropped::AnswerMalformed, |bytes| dns::set_flags(bytes, Flags::RECURSION_DESIRED));
}

#[test]
fn another_opcode() {
    is_ignored(Dropped::AnswerMalformed, |bytes| {
        dns::set_flags(bytes, Flags::RESPONSE.with_opcode(dns::Opcode(4)));
    });
}

#[test]
fn another_name() {
    is_ignored(Dropped::WrongQuestion, |bytes| bytes[13] = b'v');
}

#[test]
fn another_type() {
    is_ignored(Dropped::WrongQuestion, |bytes| bytes[12 + 17 + 1] = 28);
}

#[test]
fn another_class() {
    is_ignored(Dropped::WrongQuestion, |bytes| bytes[12 + 17 + 3] = 3);
}

#[test]
fn no_question() {
    is_ignored(Dropped::WrongQuestion, |bytes| {
        let id = Message::parse(bytes).unwrap().id();
        bytes.truncate(12);
        Writer::new(bytes, id, Flags::RESPONSE).finish().unwrap();
    });
}

#[test]
fn two_questions() {
    is_ignored(Dropped::WrongQuestion, |bytes| {
        let id = Message::parse(bytes).unwrap().id();
        let name = Message::parse(bytes).unwrap().question().unwrap().unwrap().name.to_buf();
        bytes.resize(512, 0);
        let len = Writer::new(bytes, id, Flags::RESPONSE)
            .question(&name, Type::A, Class::IN)
            .question(&name, Type::A, Class::IN)
            .answer(Type::A, 300, &[203, 0, 113, 66])
            .finish()
            .unwrap();
        bytes.truncate(len);
    });
}

#[test]
fn what_cannot_be_read_to_its_end() {
    is_ignored(Dropped::AnswerMalformed, |bytes| {
        bytes.pop();
    });
    is_ignored(Dropped::AnswerMalformed, |bytes| bytes.truncate(11));
    is_ignored(Dropped::AnswerMalformed, |bytes| {
        // RDLENGTH
        let at = bytes.len() - 5;
        bytes[at] = 3;
    });
}

#[test]
fn another_server_or_port() {
    let stranger = IpAddress::v4(198, 51, 100, 66);
    let elsewhere = [IpEndpoint::new(stranger, 53), IpEndpoint::new(S1, 54), IpEndpoint::new(S2, 53)];
    for from in elsewhere {
        let (mut world, right) = waiting();
        let asked = world.last_asked();
        assert_eq!(world.reply_from(&asked, from, &right), Err(Dropped::WrongServer), "{from}");
        world.reply(&asked, &right).unwrap();
        assert_eq!(show(&world.last_told().bytes), RIGHT);
    }
}

#[test]
fn another_transport() {
    let (mut world, right) = waiting();
    let mut asked = world.last_asked();
    asked.to.transport = Transport::Tcp;
    assert_eq!(world.reply(&asked, &right), Err(Dropped::WrongTransport));
}

/// The port is the socket's: an answer at the port of another query is an answer to that one.
#[test]
fn another_port_of_ours() {
    let (mut world, right) = waiting();
    let first = world.last_asked();
    world.ask(1, "mail.example.org", Type::A).unwrap();
    let second = world.last_asked();
    assert_ne!(first.to.source_port, second.to.source_port);
    let mut forged = right.clone();
    assert_eq!(world.reply(&second, &forged), Err(Dropped::WrongId));
    forged[..2].copy_from_slice(&second.bytes[..2]);
    assert_eq!(world.reply(&second, &forged), Err(Dropped::WrongQuestion));
    world.reply(&first, &right).unwrap();
    assert_eq!(show(&world.last_told().bytes), RIGHT);
}

#[test]
fn letters_of_another_case() {
    let (mut world, right) = waiting();
    let asked = world.last_asked();
    let mut forged = right;
    forged[13] ^= 0x20;
    assert_eq!(world.reply(&asked, &forged), Err(Dropped::WrongCase));
    assert!(world.told.is_empty());
    let again = world.last_asked();
    assert_ne!((asked.to.query, asked.to.source_port), (again.to.query, again.to.source_port));
    assert_eq!(world.reply(&asked, &forged), Err(Dropped::NotAwaited), "the old port is closed");
    world.answer(Rcode::NOERROR, a(7, 300)).unwrap();
    assert_eq!(show(&world.last_told().bytes), RIGHT);
    assert!(world.events.is_empty(), "once is no reason to do without");
}

#[test]
fn names_are_asked_in_mixed_letters() {
    let mut world = World::new();
    let name = "abcdefghijklmnopqrstuvwxyz.example.org";
    world.ask(1, name, Type::A).unwrap();
    let first = world.last_asked().bytes;
    let asked = Message::parse(&first).unwrap().question().unwrap().unwrap().name.to_string();
    assert_eq!(asked.to_lowercase(), name);
    let capitals = asked.chars().filter(char::is_ascii_uppercase).count();
    assert!((5..32).contains(&capitals), "{asked}");
    world.ask(1, name, Type::AAAA).unwrap();
    assert_ne!(first[12..50], world.last_asked().bytes[12..50], "each its own");
}

/// 1,000 guesses before the right answer. After a hundred the query goes on over TCP, where there is
/// nothing to guess: the right answer over UDP comes to a closed port then, the one over TCP is taken.
#[test]
fn a_thousand_guesses() {
    let (mut world, right) = waiting();
    let asked = world.last_asked();
    let mut forged = right.clone();
    let address = forged.len() - 1;
    forged[address] = 66;
    let id = Message::parse(&right).unwrap().id();
    for guess in 1..=1000_u16 {
        dns::set_id(&mut forged, id.wrapping_add(guess));
        let result = world.reply(&asked, &forged);
        let expected = match guess {
            1..100 => Dropped::WrongId,
            100 => Dropped::Guessed,
            _ => Dropped::NotAwaited,
        };
        assert_eq!(result, Err(expected), "guess {guess}");
    }
    // Even the right ID comes too late.
    dns::set_id(&mut forged, id);
    assert_eq!(world.reply(&asked, &forged), Err(Dropped::NotAwaited));
    assert_eq!(world.events, [Event::Guessing(S1)]);
    assert!(world.told.is_empty());

    assert_eq!(world.last_asked().to.transport, Transport::Tcp);
    world.answer(Rcode::NOERROR, a(7, 300)).unwrap();
    assert_eq!(show(&world.last_told().bytes), RIGHT);
    world.ask(2, "www.example.org", Type::A).unwrap();
    assert_eq!(show(&world.last_told().bytes), RIGHT, "and nothing else was kept");
}

/// 99 guesses are borne.
#[test]
fn a_few_guesses_before_the_right_answer() {
    let (mut world, right) = waiting();
    let asked = world.last_asked();
    for guess in 1..100_u16 {
        let mut forged = right.clone();
        dns::set_id(&mut forged, Message::parse(&right).unwrap().id().wrapping_add(guess));
        assert_eq!(world.reply(&asked, &forged), Err(Dropped::WrongId));
    }
    world.reply(&asked, &right).unwrap();
    assert_eq!(show(&world.last_told().bytes), RIGHT);
}

/// What an answer says of other names is nobody's knowledge: only the question is answered by it.
#[test]
fn records_of_other_names_are_not_learnt() {
    let (mut world, _) = waiting();
    let bank = NameBuf::from_text("bank.example.net").unwrap();
    let zone = NameBuf::from_text("example.net").unwrap();
    world
        .answer(Rcode::NOERROR, |writer| {
            writer
                .answer(Type::A, 300, &[203, 0, 113, 7])
                .record(Section::Answer, &bank, Type::A, Class::IN, 300, &[203, 0, 113, 66])
                .record(Section::Authority, &zone, Type::NS, Class::IN, 300, bank.as_bytes())
                .record(Section::Additional, &bank, Type::A, Class::IN, 300, &[203, 0, 113, 66]);
        })
        .unwrap();
    world.asked.clear();
    world.ask(2, "bank.example.net", Type::A).unwrap();
    assert_eq!(world.asked.len(), 1, "it is asked");
    world.ask(2, "example.net", Type::NS).unwrap();
    assert_eq!(world.asked.len(), 2);
}
