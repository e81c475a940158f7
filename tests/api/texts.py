"""Texts that a field takes and that it refuses, for the offline checks and for the API server."""

ADDRESSES = [
    "100.64.0.0",
    "100.64.0.10",
    "100.99.255.255",
    "100.100.1.0",
    "100.100.99.255",
    "100.100.101.0",
    "100.101.102.103",
    "100.115.91.255",
    "100.115.94.0",
    "100.127.255.255",
    "fd7a:115c:a1e0::1",
    "fd7a:115c:a1e0::52",
    "fd7a:115c:a1e0::54",
    "fd7a:115c:a1e0:b1b::1",
    "fd7a:115c:a1e0:ab12:4843:cd96:6265:6667",
]

OUTSIDE_ADDRESSES = [
    "100.63.255.255",
    "100.128.0.0",
    "100.128.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "10.0.0.1",
    "0.0.0.1",
    "::1",
    "fe80::1",
    "fd7a:115c:a1df::1",
    "fd7a:115c:a1e1::1",
    "::ffff:100.64.0.1",
]

RESERVED_ADDRESSES = [
    "100.100.0.0",
    "100.100.0.255",
    "100.100.100.0",
    "100.100.100.100",
    "100.100.100.255",
    "100.115.92.0",
    "100.115.93.255",
    "fd7a:115c:a1e0::53",
    "fd7a:115c:a1e0:b1a::",
    "fd7a:115c:a1e0:b1a:0:1:a00:1",
]

MISSPELT_ADDRESSES = [
    "",
    "api-1",
    "0100.64.0.1",
    "100.64.0.01",
    "100.64.0",
    " 100.64.0.1",
    "100.64.0.1\n",
    "100.64.0.1/32",
    "fd7a:115c:a1e0:0:0:0:0:1",
    "FD7A:115C:A1E0::1",
    "fd7a:115c:a1e0::1%eth0",
]

NO_DURATIONS = [
    "",
    "30",
    "s",
    "PT30S",
    "-1s",
    "1 s",
    "1d",
    "30S",
    "1.s",
    ".5s",
    "30s\n",
    "٣s",
    "1" * 40 + "s",
]

TARGETS = [
    ("api.example.com:8080", "api.example.com", 8080),
    ("orders:80", "orders", 80),
    ("front.prod.svc.cluster.local:80", "front.prod.svc.cluster.local", 80),
    ("192.0.2.7:1", "192.0.2.7", 1),
    ("[2001:db8::1]:65535", "2001:db8::1", 65535),
    ("3com.example:443", "3com.example", 443),
]

NO_TARGETS = [
    "",
    "api.example.com",
    "api.example.com:",
    ":80",
    "api.example.com:0",
    "api.example.com:080",
    "api.example.com:65536",
    "api.example.com:http",
    "api_1.example.com:80",
    "-api.example.com:80",
    "api..example.com:80",
    "http://api.example.com:80",
    "api.example.com:80/path",
    "user@api.example.com:80",
    "2001:db8::1:80",
    "[2001:db8::1]",
    "[api]:80",
    "[fe80::1%eth0]:80",
    "[::ffff:127.0.0.1]:80",
    "[192.0.2.7]:80",
    "api.example.com:80\n",
    "127.1:80",
    "2130706433:80",
    "0x7f000001:80",
    "127.0.0.0x1:80",
    "0177.0.0.1:80",
]

LOCAL_TARGETS = [
    "127.0.0.1:80",
    "127.255.255.254:80",
    "169.254.169.254:80",
    "0.0.0.0:80",
    "[::1]:80",
    "[fe80::1]:80",
    "[::]:80",
    "localhost:80",
    "LocalHost:80",
    "api.localhost:80",
]
