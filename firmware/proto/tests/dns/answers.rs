//! What hosts are answered.

use gatelet_wire::dns::{Rcode, Type};
use smoltcp::time::Duration;

use crate::world::{World, a, soa};

#[test]
fn an_answer_is_passed_on_kept_and_grows_old() {
    let mut world = World::new();
    world.ask(1, "www.Example.org", Type::A).unwrap();
    world.answer(Rcode::NOERROR, a(7, 300)).unwrap();
    world.run_for(Duration::from_secs(100));
    world.ask(2, "WWW.example.org", Type::A).unwrap();
    world.run_for(Duration::from_secs(200));
    world.ask(2, "www.example.org", Type::A).unwrap();
    world.expect_transcript(
        "h1 -> www.Example.org A
            -> s1 ad www.example.org a edns 1232
            <- s1 noerror www.example.org a : a 300 203.0.113.7
         h1 <- NOERROR www.Example.org A : A 300 203.0.113.7
         h2 -> WWW.example.org A
         h2 <- NOERROR WWW.example.org A : A 200 203.0.113.7
         h2 -> www.example.org A
            -> s1 ad www.example.org a edns 1232",
    );
}

#[test]
fn that_there_is_nothing_is_kept_for_as_long_as_the_zone_says() {
    let mut world = World::new();
    world.ask(1, "no.example.org", Type::A).unwrap();
    world.answer(Rcode::NXDOMAIN, |writer| soa(writer, "example.org", 900, 60)).unwrap();
    world.run_for(Duration::from_secs(59));
    world.ask(2, "no.example.org", Type::A).unwrap();
    world.run_for(Duration::from_secs(1));
    world.ask(2, "no.example.org", Type::A).unwrap();
    world.expect_transcript(
        "h1 -> no.example.org A
            -> s1 ad no.example.org a edns 1232
            <- s1 nxdomain no.example.org a ; soa 900 min 60
         h1 <- NXDOMAIN no.example.org A ; SOA 60 min 60
         h2 -> no.example.org A
         h2 <- NXDOMAIN no.example.org A ; SOA 1 min 60
         h2 -> no.example.org A
            -> s1 ad no.example.org a edns 1232",
    );
}
