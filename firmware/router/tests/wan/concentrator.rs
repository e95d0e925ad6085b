//! An access concentrator: Discovery by RFC 2516, and a PPP server for each session.

use std::collections::BTreeMap;

use gatelet_wire::EthernetAddress;
use gatelet_wire::ethernet::{self, Header, VlanTag};
use gatelet_wire::pppoe::{Code, Packet, TagKind, TagSet, Writer};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::Ipv4Address;

use crate::server::{CLIENT_ADDRESS, Plan, Server};

#[expect(clippy::struct_excessive_bools, reason = "each is a mood of its own")]
pub(crate) struct Concentrator {
    pub(crate) mac: EthernetAddress,
    pub(crate) name: &'static str,
    pub(crate) vlan: Option<VlanTag>,
    /// Whether it says anything at all.
    pub(crate) alive: bool,
    /// Whether it answers a PADR.
    pub(crate) confirms: bool,
    /// The first PPP packet leaves before the PADS.
    pub(crate) hasty: bool,
    /// Whether it does RFC 4638.
    pub(crate) jumbo: bool,
    /// Longer frames get lost on their way.
    pub(crate) max_frame_len: usize,
    pub(crate) refuses_with: Option<&'static str>,
    pub(crate) auth: Vec<gatelet_proto::ppp::auth::AuthMethod>,
    /// What the next session gets.
    pub(crate) client_address: Ipv4Address,
    pub(crate) sessions: BTreeMap<u16, Session>,
    pub(crate) next_id: u16,
    /// The PADTs it got.
    pub(crate) padts: Vec<u16>,
    pub(crate) out: Vec<Vec<u8>>,
}

pub(crate) struct Session {
    pub(crate) client: EthernetAddress,
    pub(crate) server: Server,
    /// IP packets it received.
    pub(crate) data: Vec<Vec<u8>>,
}

impl Concentrator {
    pub(crate) fn new(number: u8) -> Self {
        Self {
            mac: EthernetAddress([2, 0, 0, 0, 0, 0xA0 + number]),
            name: ["ac0", "ac1", "ac2", "ac3"][usize::from(number)],
            vlan: None,
            alive: true,
            confirms: true,
            hasty: false,
            jumbo: false,
            max_frame_len: 1600,
            refuses_with: None,
            auth: Plan::default().auth,
            client_address: CLIENT_ADDRESS,
            sessions: BTreeMap::new(),
            next_id: u16::from(number) * 0x100 + 1,
            padts: Vec::new(),
            out: Vec::new(),
        }
    }

    pub(crate) fn poll_at(&self) -> Option<Instant> {
        self.sessions.values().filter_map(|session| session.server.poll_at()).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for session in self.sessions.values_mut() {
            session.server.handle_timeout(now);
        }
        self.flush();
    }

    pub(crate) fn handle_frame(&mut self, now: Instant, frame: &[u8]) {
        let (header, payload) = Header::parse(frame).expect("the router sends readable frames");
        let tag = |tag: Option<VlanTag>| tag.map(|tag| tag.id);
        let for_us = [self.mac, EthernetAddress::BROADCAST].contains(&header.destination);
        if !self.alive || !for_us || tag(header.vlan) != tag(self.vlan) || frame.len() > self.max_frame_len {
            return;
        }
        let packet = Packet::parse(payload).expect("the router sends readable packets");
        match packet.code {
            Code::Padi => self.answer(&header, &packet, Code::Pado, 0),
            Code::Padr if self.confirms => self.confirm(now, &header, &packet),
            Code::Padt => {
                self.padts.push(packet.session_id);
                self.sessions.remove(&packet.session_id);
            }
            Code::Session => self.handle_session(now, &header, &packet),
            _ => {}
        }
        self.flush();
    }

    fn confirm(&mut self, now: Instant, header: &Header, packet: &Packet<'_>) {
        if self.refuses_with.is_some() {
            return self.answer(header, packet, Code::Pads, 0);
        }
        let id = self.next_id;
        self.next_id += 1;
        let asked = TagSet::parse(packet).expect("readable").max_payload.filter(|_| self.jumbo);
        let plan = Plan {
            mru: asked.unwrap_or(1492),
            auth: self.auth.clone(),
            address: self.client_address,
            ..Plan::default()
        };
        let mut server = Server::new(plan);
        server.open(now);
        self.sessions.insert(id, Session { client: header.source, server, data: Vec::new() });
        if self.hasty {
            self.handle_timeout(now);
            self.answer(header, packet, Code::Pads, id);
        } else {
            self.answer(header, packet, Code::Pads, id);
            self.handle_timeout(now);
        }
    }

    fn handle_session(&mut self, now: Instant, header: &Header, packet: &Packet<'_>) {
        let Some(session) = self.sessions.get_mut(&packet.session_id) else { return };
        if session.client != header.source {
            return;
        }
        if [[0x00, 0x21], [0x00, 0x57]].iter().any(|protocol| packet.payload.starts_with(protocol)) {
            session.data.push(packet.payload[2..].to_vec());
        } else {
            session.server.handle_packet(now, packet.payload);
        }
    }

    fn answer(&mut self, header: &Header, request: &Packet<'_>, code: Code, session_id: u16) {
        let asked = TagSet::parse(request).expect("readable");
        let max_payload = asked.max_payload.filter(|_| self.jumbo).map(u16::to_be_bytes);
        let mut buffer = [0; 1500];
        let mut writer = Writer::new(&mut buffer, code, session_id);
        writer
            .push(TagKind::ServiceName, b"")
            .push(TagKind::AcName, self.name.as_bytes())
            .push_some(TagKind::HostUniq, asked.host_uniq)
            .push_some(TagKind::PppMaxPayload, max_payload.as_ref().map(|value| &value[..]));
        if code == Code::Pado {
            writer.push(TagKind::AcCookie, b"a cookie");
        } else {
            assert_eq!(asked.ac_cookie, Some(&b"a cookie"[..]));
            writer.push_some(TagKind::GenericError, self.refuses_with.map(str::as_bytes));
        }
        let len = writer.finish().expect("fits");
        self.send(header.source, ethernet::PPPOE_DISCOVERY, &buffer[..len]);
    }

    /// The administrator ends a session.
    pub(crate) fn kick(&mut self, session_id: u16) {
        if let Some(session) = self.sessions.remove(&session_id) {
            self.send_padt(session.client, session_id);
        }
    }

    pub(crate) fn send_padt(&mut self, client: EthernetAddress, session_id: u16) {
        let mut buffer = [0; 6];
        let len = Writer::new(&mut buffer, Code::Padt, session_id).finish().expect("fits");
        self.send(client, ethernet::PPPOE_DISCOVERY, &buffer[..len]);
    }

    /// A PPP packet, from its protocol field on.
    pub(crate) fn send_session(&mut self, client: EthernetAddress, session_id: u16, ppp: &[u8]) {
        let mut buffer = [0; 1600];
        let packet = Packet { code: Code::Session, session_id, payload: ppp };
        let len = packet.emit(&mut buffer).expect("fits");
        self.send(client, ethernet::PPPOE_SESSION, &buffer[..len]);
    }

    fn flush(&mut self) {
        let mut said = Vec::new();
        for (id, session) in &mut self.sessions {
            said.extend(session.server.out.drain(..).map(|packet| (session.client, *id, packet)));
        }
        for (client, id, packet) in said {
            self.send_session(client, id, &packet);
        }
    }

    fn send(&mut self, destination: EthernetAddress, ether_type: u16, payload: &[u8]) {
        let header = Header { destination, source: self.mac, vlan: self.vlan, ether_type };
        let mut frame = vec![0; header.len()];
        header.emit(&mut frame).expect("fits");
        frame.extend(payload);
        // As a real port would.
        frame.resize(frame.len().max(ethernet::MIN_FRAME_LEN), 0);
        if self.alive && frame.len() <= self.max_frame_len {
            self.out.push(frame);
        }
    }

    /// Its patience with nobody: for worlds in which an hour passes.
    pub(crate) fn forget_all(&mut self) {
        self.sessions.clear();
    }
}

/// Half of a round trip of 20 ms.
pub(crate) const ONE_WAY: Duration = Duration::from_millis(10);
