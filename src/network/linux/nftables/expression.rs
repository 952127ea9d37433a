//! Expressions of rules: small programs over registers.

use crate::linux::message::Attributes;
use crate::linux::nftables::{ELEMENT, VALUE, VERDICT};

/// `NFT_REG_VERDICT`.
const DECIDE: u32 = 0;
/// `NFT_REG_1`, of 16 bytes.
pub(crate) const FIRST: u32 = 1;
/// `NFT_REG_2`, of 16 bytes.
pub(crate) const SECOND: u32 = 2;
/// `NFT_REG32_01`: the second four bytes of `NFT_REG_1`.
pub(crate) const FIRST_FOUR: u32 = 9;

/// `NFT_META_IIFNAME`, `NFT_META_OIFNAME`, `NFT_META_L4PROTO`.
pub(crate) const INPUT_NAME: u32 = 6;
pub(crate) const OUTPUT_NAME: u32 = 7;
pub(crate) const PROTOCOL: u32 = 16;

/// `NFT_CT_STATE`, `NFT_CT_STATUS`.
pub(crate) const STATE: u32 = 0;
pub(crate) const STATUS: u32 = 2;

/// `NFT_PAYLOAD_NETWORK_HEADER`, `NFT_PAYLOAD_TRANSPORT_HEADER`.
pub(crate) const NETWORK: u32 = 1;
pub(crate) const TRANSPORT: u32 = 2;

/// Where the expressions of one rule are written.
pub(crate) struct Expressions<'a, 'b>(pub(crate) &'a mut Attributes<'b>);

impl Expressions<'_, '_> {
    fn push(&mut self, name: &str, fill: impl FnOnce(&mut Attributes<'_>)) {
        self.0.nest(ELEMENT, |it| {
            it.text(1, name);
            it.nest(2, fill);
        });
    }

    /// Loads something about the packet.
    pub(crate) fn meta(&mut self, key: u32, register: u32) {
        self.push("meta", |it| {
            it.be32(2, key);
            it.be32(1, register);
        });
    }

    /// Loads bytes of a header.
    pub(crate) fn payload(&mut self, base: u32, offset: u32, length: u32, register: u32) {
        self.push("payload", |it| {
            it.be32(1, register);
            it.be32(2, base);
            it.be32(3, offset);
            it.be32(4, length);
        });
    }

    /// Goes on only if the first register holds these bytes, or does not.
    pub(crate) fn compare(&mut self, is_equal: bool, bytes: &[u8]) {
        self.push("cmp", |it| {
            it.be32(1, FIRST);
            it.be32(2, u32::from(!is_equal));
            it.nest(3, |it| it.bytes(VALUE, bytes));
        });
    }

    /// Keeps some bits of the first register.
    pub(crate) fn mask(&mut self, mask: &[u8]) {
        self.push("bitwise", |it| {
            it.be32(1, FIRST);
            it.be32(2, FIRST);
            it.be32(3, u32::try_from(mask.len()).unwrap_or(0));
            it.nest(4, |it| it.bytes(VALUE, mask));
            it.nest(5, |it| it.bytes(VALUE, &vec![0; mask.len()]));
        });
    }

    /// Loads something about the connection and goes on only if one of these bits is set.
    pub(crate) fn connection(&mut self, key: u32, bits: u32) {
        self.push("ct", |it| {
            it.be32(2, key);
            it.be32(1, FIRST);
        });
        self.mask(&bits.to_ne_bytes());
        self.compare(false, &[0; 4]);
    }

    /// Goes on only if the destination is an address of this host (`NFT_FIB_RESULT_ADDRTYPE`, `NFTA_FIB_F_DADDR`, `RTN_LOCAL`).
    pub(crate) fn destination_is_host(&mut self) {
        self.push("fib", |it| {
            it.be32(1, FIRST);
            it.be32(2, 3);
            it.be32(3, 2);
        });
        self.compare(true, &2_u32.to_ne_bytes());
    }

    /// Loads bytes.
    pub(crate) fn immediate(&mut self, register: u32, bytes: &[u8]) {
        self.push("immediate", |it| {
            it.be32(1, register);
            it.nest(2, |it| it.bytes(VALUE, bytes));
        });
    }

    /// Decides.
    pub(crate) fn verdict(&mut self, code: i32, chain: Option<&str>) {
        self.push("immediate", |it| {
            it.be32(1, DECIDE);
            it.nest(2, |it| write_verdict(it, code, chain));
        });
    }

    /// Looks the first register up in a set of this batch; what is found goes to a register, or decides.
    pub(crate) fn lookup(&mut self, set: u32, into: Option<u32>) {
        self.push("lookup", |it| {
            it.be32(2, FIRST);
            it.be32(3, into.unwrap_or(DECIDE));
            it.text(1, ANONYMOUS);
            it.be32(4, set);
        });
    }

    /// Counts up from 0, and begins again (`NFT_NG_INCREMENTAL`).
    pub(crate) fn turn(&mut self, turns: u32) {
        self.push("numgen", |it| {
            it.be32(1, FIRST);
            it.be32(2, turns);
            it.be32(3, 0);
            it.be32(4, 0);
        });
    }

    /// Gives the connection a new destination from two registers (`NFT_NAT_DNAT`, `NF_NAT_RANGE_PROTO_SPECIFIED`).
    pub(crate) fn translate(&mut self, family: u8, address: u32, port: u32, flags: Option<u32>) {
        self.push("nat", |it| {
            it.be32(1, 1);
            it.be32(2, u32::from(family));
            it.be32(3, address);
            it.be32(5, port);
            if let Some(flags) = flags {
                it.be32(7, flags);
            }
        });
    }

    pub(crate) fn masquerade(&mut self) {
        self.push("masq", |_| {});
    }

    pub(crate) fn counter(&mut self) {
        self.push("counter", |it| {
            it.bytes(1, &[0; 8]);
            it.bytes(2, &[0; 8]);
        });
    }
}

/// The name of a set that lives and dies with its rule; the kernel puts a number in.
pub(crate) const ANONYMOUS: &str = "__map%d";

pub(crate) fn write_verdict(it: &mut Attributes<'_>, code: i32, chain: Option<&str>) {
    it.nest(VERDICT, |it| {
        it.bytes(1, &code.to_be_bytes());
        if let Some(chain) = chain {
            it.text(2, chain);
        }
    });
}
