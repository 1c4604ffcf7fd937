"""Which addresses lie in the open Internet, and not in a network of ours or of the cloud's."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address behind a gateway


def is_public(address: str) -> bool:
    """Not loopback, private, link-local (169.254.169.254 hands out credentials), shared, multicast or reserved."""
    ip = _inner(ip_address(address))
    return ip.is_global and (ip in _GLOBAL_UNICAST if isinstance(ip, IPv6Address) else not ip.is_multicast)


def _inner(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else ip)
