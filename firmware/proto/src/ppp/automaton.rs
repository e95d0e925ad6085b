//! The option negotiation automaton of RFC 1661 §4, as a pure function.
//!
//! One table serves LCP, IPCP and IPV6CP, on our side as well as in the simulated concentrators:
//! the automaton knows no roles. [`transition`] holds no state and does nothing; whoever owns a
//! [`State`] feeds it an [`Event`] and carries out the [`Actions`].
//!
//! ```text
//!            Open+Up          RCA                 RCR+
//!  Initial ──────────► Req-Sent ──► Ack-Rcvd ──────────────┐
//!     ▲                   │                                ▼
//!     │                   │ RCR+            RCA         Opened
//!   Down                  └────────► Ack-Sent ─────────────┘│
//!     │                                          Close / RTR│
//!     └───── Closed / Stopped ◄──────── Closing / Stopping ◄┘
//! ```
//!
//! Reading list: RFC 1661 §4.1 (the table), §4.2 (states), §4.3 (events), §4.4 (actions),
//! §4.5 (loop avoidance), §4.6 (counters and timers).

/// A state of the automaton (RFC 1661 §4.2), numbered as in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Lower layer down, no Open.
    Initial = 0,
    /// Lower layer down, Open wanted.
    Starting = 1,
    /// Lower layer up, no Open.
    Closed = 2,
    /// Lower layer up, Open given and negotiation over: gave up, or terminated by the peer.
    Stopped = 3,
    /// Our Terminate-Request is out; Close was given.
    Closing = 4,
    /// Termination is under way while Open still stands.
    Stopping = 5,
    /// A Configure-Request is out; nothing acknowledged on either side.
    ReqSent = 6,
    /// Ours was acknowledged; the peer's was not yet.
    AckRcvd = 7,
    /// The peer's was acknowledged; ours was not yet.
    AckSent = 8,
    /// Both were acknowledged.
    Opened = 9,
}

impl State {
    /// Whether the Restart timer runs in this state (RFC 1661 §4.2).
    pub fn runs_timer(self) -> bool {
        matches!(self, Self::Closing | Self::Stopping | Self::ReqSent | Self::AckRcvd | Self::AckSent)
    }
}

/// An event of the automaton (RFC 1661 §4.3), in the order of the table's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Event {
    /// Up: the lower layer is ready.
    Up = 0,
    /// Down: the lower layer is gone.
    Down,
    /// Open: the administrator wants the link.
    Open,
    /// Close: the administrator no longer wants it.
    Close,
    /// TO+: the Restart timer fired and the restart counter is above zero.
    TimeoutRepeat,
    /// TO-: the Restart timer fired and the restart counter is used up.
    TimeoutGiveUp,
    /// RCR+: Configure-Request received, acceptable.
    ConfigureRequestGood,
    /// RCR-: Configure-Request received, not acceptable.
    ConfigureRequestBad,
    /// RCA: valid Configure-Ack received.
    ConfigureAck,
    /// RCN: valid Configure-Nak or Configure-Reject received.
    ConfigureNak,
    /// RTR: Terminate-Request received.
    TerminateRequest,
    /// RTA: Terminate-Ack received.
    TerminateAck,
    /// RUC: packet with an unknown code received.
    UnknownCode,
    /// RXJ+: Code-Reject or Protocol-Reject received that we can live with.
    RejectPermitted,
    /// RXJ-: Code-Reject or Protocol-Reject received that ends the negotiation.
    RejectCatastrophic,
    /// RXR: Echo-Request, Echo-Reply or Discard-Request received.
    Echo,
}

/// What a transition asks its owner to do (RFC 1661 §4.4): a set, carried out in the order of the
/// constants below, which is the order the table lists them in wherever it lists several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Actions(u16);

impl Actions {
    /// Nothing to do.
    pub const NONE: Self = Self(0);
    /// tld: This-Layer-Down, the layers above lose the link.
    pub const TLD: Self = Self(1 << 0);
    /// irc: Initialize-Restart-Count to Max-Configure or Max-Terminate.
    pub const IRC: Self = Self(1 << 1);
    /// zrc: Zero-Restart-Count, the timer still runs once.
    pub const ZRC: Self = Self(1 << 2);
    /// scr: Send-Configure-Request.
    pub const SCR: Self = Self(1 << 3);
    /// sca: Send-Configure-Ack.
    pub const SCA: Self = Self(1 << 4);
    /// scn: Send-Configure-Nak or Configure-Reject.
    pub const SCN: Self = Self(1 << 5);
    /// str: Send-Terminate-Request.
    pub const STR: Self = Self(1 << 6);
    /// sta: Send-Terminate-Ack.
    pub const STA: Self = Self(1 << 7);
    /// scj: Send-Code-Reject.
    pub const SCJ: Self = Self(1 << 8);
    /// ser: Send-Echo-Reply, where an Echo-Request was received.
    pub const SER: Self = Self(1 << 9);
    /// tlu: This-Layer-Up, the layers above may start.
    pub const TLU: Self = Self(1 << 10);
    /// tls: This-Layer-Started, the lower layer is needed.
    pub const TLS: Self = Self(1 << 11);
    /// tlf: This-Layer-Finished, the lower layer is no longer needed.
    pub const TLF: Self = Self(1 << 12);

    /// Whether all of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is nothing to do.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The actions and the next state for `event` in `state`; `None` where the table has a dash, an
/// event that cannot happen in that state.
///
/// The options the RFC leaves open are taken as follows: `[r]` Open in Stopped, Closing, Stopping
/// and Opened does not restart by itself; `[p]` no passive waiting after Max-Configure; `[x]` a
/// crossed connection is answered by a new Configure-Request.
pub fn transition(state: State, event: Event) -> Option<(Actions, State)> {
    TABLE[event as usize][state as usize]
}

type Cell = Option<(Actions, State)>;

/// RFC 1661 §4.1, rows and columns as printed there.
#[rustfmt::skip]
#[expect(clippy::unnecessary_wraps, reason = "cells with an entry stand beside dashes")]
static TABLE: [[Cell; 10]; 16] = {
    use State::{AckRcvd, AckSent, Closed, Closing, Initial, Opened, ReqSent, Starting, Stopped, Stopping};

    const DASH: Cell = None;
    const fn to(state: State) -> Cell { Some((Actions::NONE, state)) }
    const fn tls(state: State) -> Cell { Some((Actions::TLS, state)) }
    const fn tlf(state: State) -> Cell { Some((Actions::TLF, state)) }
    const fn tld(state: State) -> Cell { Some((Actions::TLD, state)) }
    const fn scr(state: State) -> Cell { Some((Actions::SCR, state)) }
    const fn sca(state: State) -> Cell { Some((Actions::SCA, state)) }
    const fn scn(state: State) -> Cell { Some((Actions::SCN, state)) }
    const fn sta(state: State) -> Cell { Some((Actions::STA, state)) }
    const fn scj(state: State) -> Cell { Some((Actions::SCJ, state)) }
    const fn ser(state: State) -> Cell { Some((Actions::SER, state)) }
    const fn str_(state: State) -> Cell { Some((Actions::STR, state)) }
    const fn irc(state: State) -> Cell { Some((Actions::IRC, state)) }
    const fn irc_scr(state: State) -> Cell { Some((Actions::IRC.and(Actions::SCR), state)) }
    const fn irc_str(state: State) -> Cell { Some((Actions::IRC.and(Actions::STR), state)) }
    const fn irc_tlu(state: State) -> Cell { Some((Actions::IRC.and(Actions::TLU), state)) }
    const fn sca_tlu(state: State) -> Cell { Some((Actions::SCA.and(Actions::TLU), state)) }
    const fn tld_scr(state: State) -> Cell { Some((Actions::TLD.and(Actions::SCR), state)) }
    /// irc,scr and an answer to the request that restarted the negotiation.
    const fn irc_scr_and(answer: Actions, state: State) -> Cell {
        Some((Actions::IRC.and(Actions::SCR).and(answer), state))
    }
    /// tld,scr and an answer to the request that took the layer down.
    const fn tld_scr_and(answer: Actions, state: State) -> Cell {
        Some((Actions::TLD.and(Actions::SCR).and(answer), state))
    }
    const fn tld_irc_str(state: State) -> Cell {
        Some((Actions::TLD.and(Actions::IRC).and(Actions::STR), state))
    }
    const fn tld_zrc_sta(state: State) -> Cell {
        Some((Actions::TLD.and(Actions::ZRC).and(Actions::STA), state))
    }
    const SCA: Actions = Actions::SCA;
    const SCN: Actions = Actions::SCN;

    [
    //           Initial        Starting          Closed            Stopped                    Closing          Stopping
    //           Req-Sent          Ack-Rcvd          Ack-Sent          Opened
    /* Up   */ [to(Closed),    irc_scr(ReqSent), DASH,             DASH,                      DASH,            DASH,
                DASH,             DASH,             DASH,             DASH],
    /* Down */ [DASH,          DASH,             to(Initial),      tls(Starting),             to(Initial),     to(Starting),
                to(Starting),     to(Starting),     to(Starting),     tld(Starting)],
    /* Open */ [tls(Starting), to(Starting),     irc_scr(ReqSent), to(Stopped),               to(Stopping),    to(Stopping),
                to(ReqSent),      to(AckRcvd),      to(AckSent),      to(Opened)],
    /* Close*/ [to(Initial),   tlf(Initial),     to(Closed),       to(Closed),                to(Closing),     to(Closing),
                irc_str(Closing), irc_str(Closing), irc_str(Closing), tld_irc_str(Closing)],
    /* TO+  */ [DASH,          DASH,             DASH,             DASH,                      str_(Closing),   str_(Stopping),
                scr(ReqSent),     scr(ReqSent),     scr(AckSent),     DASH],
    /* TO-  */ [DASH,          DASH,             DASH,             DASH,                      tlf(Closed),     tlf(Stopped),
                tlf(Stopped),     tlf(Stopped),     tlf(Stopped),     DASH],
    /* RCR+ */ [DASH,          DASH,             sta(Closed),      irc_scr_and(SCA, AckSent), to(Closing),     to(Stopping),
                sca(AckSent),     sca_tlu(Opened),  sca(AckSent),     tld_scr_and(SCA, AckSent)],
    /* RCR- */ [DASH,          DASH,             sta(Closed),      irc_scr_and(SCN, ReqSent), to(Closing),     to(Stopping),
                scn(ReqSent),     scn(AckRcvd),     scn(ReqSent),     tld_scr_and(SCN, ReqSent)],
    /* RCA  */ [DASH,          DASH,             sta(Closed),      sta(Stopped),              to(Closing),     to(Stopping),
                irc(AckRcvd),     scr(ReqSent),     irc_tlu(Opened),  tld_scr(ReqSent)],
    /* RCN  */ [DASH,          DASH,             sta(Closed),      sta(Stopped),              to(Closing),     to(Stopping),
                irc_scr(ReqSent), scr(ReqSent),     irc_scr(AckSent), tld_scr(ReqSent)],
    /* RTR  */ [DASH,          DASH,             sta(Closed),      sta(Stopped),              sta(Closing),    sta(Stopping),
                sta(ReqSent),     sta(ReqSent),     sta(ReqSent),     tld_zrc_sta(Stopping)],
    /* RTA  */ [DASH,          DASH,             to(Closed),       to(Stopped),               tlf(Closed),     tlf(Stopped),
                to(ReqSent),      to(ReqSent),      to(AckSent),      tld_scr(ReqSent)],
    /* RUC  */ [DASH,          DASH,             scj(Closed),      scj(Stopped),              scj(Closing),    scj(Stopping),
                scj(ReqSent),     scj(AckRcvd),     scj(AckSent),     scj(Opened)],
    /* RXJ+ */ [DASH,          DASH,             to(Closed),       to(Stopped),               to(Closing),     to(Stopping),
                to(ReqSent),      to(ReqSent),      to(AckSent),      to(Opened)],
    /* RXJ- */ [DASH,          DASH,             tlf(Closed),      tlf(Stopped),              tlf(Closed),     tlf(Stopped),
                tlf(Stopped),     tlf(Stopped),     tlf(Stopped),     tld_irc_str(Stopping)],
    /* RXR  */ [DASH,          DASH,             to(Closed),       to(Stopped),               to(Closing),     to(Stopping),
                to(ReqSent),      to(AckRcvd),      to(AckSent),      ser(Opened)],
    ]
};

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{format, string::String, vec::Vec};

    use super::*;

    const STATES: [State; 10] = [
        State::Initial,
        State::Starting,
        State::Closed,
        State::Stopped,
        State::Closing,
        State::Stopping,
        State::ReqSent,
        State::AckRcvd,
        State::AckSent,
        State::Opened,
    ];

    /// The events beside their names in the RFC.
    const EVENTS: [(&str, Event); 16] = [
        ("Up", Event::Up),
        ("Down", Event::Down),
        ("Open", Event::Open),
        ("Close", Event::Close),
        ("TO+", Event::TimeoutRepeat),
        ("TO-", Event::TimeoutGiveUp),
        ("RCR+", Event::ConfigureRequestGood),
        ("RCR-", Event::ConfigureRequestBad),
        ("RCA", Event::ConfigureAck),
        ("RCN", Event::ConfigureNak),
        ("RTR", Event::TerminateRequest),
        ("RTA", Event::TerminateAck),
        ("RUC", Event::UnknownCode),
        ("RXJ+", Event::RejectPermitted),
        ("RXJ-", Event::RejectCatastrophic),
        ("RXR", Event::Echo),
    ];

    const ACTIONS: [(&str, Actions); 13] = [
        ("tld", Actions::TLD),
        ("irc", Actions::IRC),
        ("zrc", Actions::ZRC),
        ("scr", Actions::SCR),
        ("sca", Actions::SCA),
        ("scn", Actions::SCN),
        ("str", Actions::STR),
        ("sta", Actions::STA),
        ("scj", Actions::SCJ),
        ("ser", Actions::SER),
        ("tlu", Actions::TLU),
        ("tls", Actions::TLS),
        ("tlf", Actions::TLF),
    ];

    /// RFC 1661 §4.1 as printed: states 0 to 5, then 6 to 9. Footnote letters r, p, x stand.
    const RFC_1661_TABLE: [&str; 2] = [
        "
         Up   |    2     irc,scr/6     -         -         -         -
         Down |    -         -         0       tls/1       0         1
         Open |  tls/1       1     irc,scr/6     3r        5r        5r
         Close|    0       tlf/0       2         2         4         4
         TO+  |    -         -         -         -       str/4     str/5
         TO-  |    -         -         -         -       tlf/2     tlf/3
         RCR+ |    -         -       sta/2 irc,scr,sca/8   4         5
         RCR- |    -         -       sta/2 irc,scr,scn/6   4         5
         RCA  |    -         -       sta/2     sta/3       4         5
         RCN  |    -         -       sta/2     sta/3       4         5
         RTR  |    -         -       sta/2     sta/3     sta/4     sta/5
         RTA  |    -         -         2         3       tlf/2     tlf/3
         RUC  |    -         -       scj/2     scj/3     scj/4     scj/5
         RXJ+ |    -         -         2         3         4         5
         RXJ- |    -         -       tlf/2     tlf/3     tlf/2     tlf/3
         RXR  |    -         -         2         3         4         5
        ",
        "
         Up   |    -         -         -           -
         Down |    1         1         1         tld/1
         Open |    6         7         8           9r
         Close|irc,str/4 irc,str/4 irc,str/4 tld,irc,str/4
         TO+  |  scr/6     scr/6     scr/8         -
         TO-  | tlf/3p    tlf/3p    tlf/3p         -
         RCR+ |  sca/8   sca,tlu/9   sca/8   tld,scr,sca/8
         RCR- |  scn/6     scn/7     scn/6   tld,scr,scn/6
         RCA  |  irc/7     scr/6x  irc,tlu/9   tld,scr/6x
         RCN  |irc,scr/6   scr/6x  irc,scr/8   tld,scr/6x
         RTR  |  sta/6     sta/6     sta/6   tld,zrc,sta/5
         RTA  |    6         6         8       tld,scr/6
         RUC  |  scj/6     scj/7     scj/8     scj/9
         RXJ+ |    6         6         8         9
         RXJ- | tlf/3     tlf/3     tlf/3   tld,irc,str/5
         RXR  |    6         7         8       ser/9
        ",
    ];

    /// A cell of ours in the RFC's notation, actions in the RFC's order.
    fn notation(cell: Option<(Actions, State)>) -> String {
        let Some((actions, state)) = cell else { return String::from("-") };
        let names: Vec<&str> =
            ACTIONS.iter().filter(|(_, action)| actions.contains(*action)).map(|(name, _)| *name).collect();
        let separator = if names.is_empty() { "" } else { "/" };
        format!("{}{separator}{}", names.join(","), state as u8)
    }

    #[test]
    fn every_cell_is_as_rfc_1661_prints_it() {
        let mut cells = 0;
        for (half, first_state) in RFC_1661_TABLE.iter().zip([0, 6]) {
            let rows: Vec<&str> = half.lines().filter(|line| line.contains('|')).collect();
            assert_eq!(rows.len(), EVENTS.len());
            for (row, (name, event)) in rows.iter().zip(EVENTS) {
                let (row_name, row_cells) = row.split_once('|').unwrap();
                assert_eq!(row_name.trim(), name);
                for (printed, state) in row_cells.split_whitespace().zip(&STATES[first_state..]) {
                    let printed = printed.trim_end_matches(['r', 'p', 'x']);
                    assert_eq!(notation(transition(*state, event)), printed, "{name} in {state:?}");
                    cells += 1;
                }
            }
        }
        assert_eq!(cells, 160);
    }

    #[test]
    fn this_layer_up_comes_exactly_on_entering_opened_and_down_exactly_on_leaving_it() {
        for state in STATES {
            for (name, event) in EVENTS {
                let Some((actions, next)) = transition(state, event) else { continue };
                let enters = state != State::Opened && next == State::Opened;
                let leaves = state == State::Opened && next != State::Opened;
                assert_eq!(actions.contains(Actions::TLU), enters, "{name} in {state:?}");
                assert_eq!(actions.contains(Actions::TLD), leaves, "{name} in {state:?}");
            }
        }
    }

    #[test]
    fn two_automata_open_against_each_other_in_one_round_trip() {
        let (_, starting) = transition(State::Initial, Event::Open).unwrap();
        let (actions, ours) = transition(starting, Event::Up).unwrap();
        assert!(actions.contains(Actions::SCR));
        let theirs = ours;
        // Requests cross, then the acknowledgements cross.
        let (_, ours) = transition(ours, Event::ConfigureRequestGood).unwrap();
        let (_, theirs) = transition(theirs, Event::ConfigureRequestGood).unwrap();
        let (our_actions, ours) = transition(ours, Event::ConfigureAck).unwrap();
        let (their_actions, theirs) = transition(theirs, Event::ConfigureAck).unwrap();
        assert_eq!((ours, theirs), (State::Opened, State::Opened));
        assert!(our_actions.contains(Actions::TLU) && their_actions.contains(Actions::TLU));
    }
}
