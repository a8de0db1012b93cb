"""Prints what was measured."""
import statistics

COLUMNS = {
    "unary": [("RPS", "rps", 0), ("CPU us/req", "cpu_us", 1), ("/ floor", "floor", 2), ("/ nginx", "nginx", 2),
              ("sealing us", "seal_us", 1), ("PostgreSQL us", "pg_us", 1), ("p50 us", "p50_us", 0), ("p99 us", "p99_us", 0),
              ("MiB idle", "rss_before", 1), ("MiB peak", "rss_peak", 1), ("others", "foreign", 2)],
    "latency": [("per s", "rps", 0), ("p50 us", "p50_us", 0), ("added p50", "added_p50", 0), ("/ nginx", "added_nginx", 2),
                ("p99 us", "p99_us", 0), ("added p99", "added_p99", 0), ("p99.9 us", "p999_us", 0), ("CPU us/req", "cpu_us", 1),
                ("others", "foreign", 2)],
    "stream": [("events/s", "rps", 0), ("first p50 ms", "ttfe_p50_ms", 2), ("/ floor", "ttfe_floor", 2),
               ("first p99 ms", "ttfe_p99_ms", 1), ("CPU us/event", "cpu_us_event", 1), ("/ floor", "event_floor", 2),
               ("delay p50 us", "delay_p50", 0), ("delay p99 us", "delay_p99", 0), ("MiB peak", "rss_peak", 1),
               ("KiB/stream", "kib_stream", 0), ("others", "foreign", 2)],
    "seal": [("per s", "rps", 0), ("p50 us", "p50_us", 0), ("p99 us", "p99_us", 0), ("p99.9 us", "p999_us", 0), ("max us", "max_us", 0),
             ("CPU us/req", "cpu_us", 1), ("PostgreSQL us", "pg_us", 1), ("others", "foreign", 2)],
}


def median(rows, key):
    values = [row[key] for row in rows if row.get(key) is not None]
    return statistics.median(values) if values else None


def relate(rows):
    """Ratios and differences within one round, so that what drifts over a run does not count."""
    for (size, name), got in rows.items():
        for place, row in enumerate(got):
            beside = lambda other: rows.get((size, other), [{}] * len(got))[place]
            floor, nginx, direct = beside("floor-2t"), beside("nginx-1w"), beside("direct")
            if name != "direct":
                row["floor"] = ratio(row["cpu_us"], floor.get("cpu_us"))
                row["nginx"] = ratio(row["cpu_us"], nginx.get("cpu_us"))
                row["event_floor"] = ratio(row.get("cpu_us_event"), floor.get("cpu_us_event"))
                row["ttfe_floor"] = ratio(row.get("ttfe_p50"), floor.get("ttfe_p50"))
                row["rps_nginx"] = ratio(row["rps"], nginx.get("rps"))
                if "p50_us" in row and "p50_us" in direct:
                    row["added_p50"] = row["p50_us"] - direct["p50_us"]
                    row["added_p99"] = row["p99_us"] - direct["p99_us"]
                    if "p50_us" in nginx:
                        row["added_nginx"] = ratio(row["added_p50"], nginx["p50_us"] - direct["p50_us"])
            for key in ("ttfe_p50", "ttfe_p99"):
                if key in row:
                    row[f"{key}_ms"] = row[key] / 1000


def ratio(value, base):
    return value / base if value is not None and base else None


def show(mode, rows, a, again):
    """The table of one mode: medians over the rounds."""
    relate(rows)
    what = {"unary": f"as fast as it goes, {a.conns} connections, {a.secs} s a window",
            "latency": f"{a.rate} requests a second, {a.conns} connections, {a.secs} s a window",
            "stream": f"{a.conns} streams at once, {a.streams} times, of 200 events 5 ms apart",
            "seal": f"{a.rate} requests a second for {a.secs} s, a seal of the log within"}[mode]
    print(f"\n{mode}: {what}; medians of {a.rounds} rounds, {again} windows repeated\n")
    shown = [(head, key, digits) for head, key, digits in COLUMNS[mode]
             if any(median(got, key) is not None for got in rows.values())]
    print(f"{'bytes':>8} {'target':<12}" + "".join(f"{head:>14}" for head, _, _ in shown))
    for (size, name), got in sorted(rows.items(), key=lambda item: int(item[0][0])):
        cells = [(median(got, key), digits) for _, key, digits in shown]
        print(f"{size:>8} {name:<12}" + "".join(f"{value:>14,.{digits}f}" if value is not None else f"{'-':>14}" for value, digits in cells),
              flush=True)


# What is asked of Bauta: text, mode, body bytes, figure, must, aim; more is better where the sign is ">".
TARGETS = [
    ("CPU per request, 1 KiB, of floor-2t", "unary", "1024", "floor", "<", 1.5, 1.25),
    ("CPU per request, 64 KiB, of nginx-1w", "unary", "65536", "nginx", "<", 1.3, 1.0),
    ("CPU per request, 1 MiB, of floor-2t", "unary", "1048576", "floor", "<", 2.2, 2.0),
    ("RPS, 64 KiB, of nginx-1w", "unary", "65536", "rps_nginx", ">", 0.7, 1.0),
    ("added p50 at 500/s, 1 KiB, of nginx-1w's", "latency", "1024", "added_nginx", "<", 1.5, 1.25),
    ("CPU per event, of floor-2t", "stream", "1024", "event_floor", "<", 1.15, 1.05),
    ("first event p50, of floor-2t", "stream", "1024", "ttfe_floor", "<", 1.5, 1.2),
    ("MiB idle", "unary", "1024", "rss_before", "<", 25, 15),
    ("KiB per open stream", "stream", "1024", "kib_stream", "<", 40, 25),
]


def targets(modes):
    """What was asked of Bauta, and what came of it."""
    names = [name for name in ("bauta-fsync", "bauta-os", "bauta-pg") if any(("1024", name) in rows for rows in modes.values())]
    print("\ntargets: met (=), aimed at and reached (+), missed (!)\n")
    print(f"{'':<44}{'must':>8}{'aim':>8}" + "".join(f"{name:>16}" for name in names))
    for text, mode, size, key, sign, must, aim in TARGETS:
        cells = []
        for name in names:
            value = median(modes.get(mode, {}).get((size, name), []), key)
            if value is None:
                cells.append(f"{'-':>16}")
                continue
            within = (lambda bound: value <= bound) if sign == "<" else (lambda bound: value >= bound)
            cells.append(f"{value:>14.2f} {'+' if within(aim) else '=' if within(must) else '!'}")
        print(f"{text:<44}{must:>8}{aim:>8}" + "".join(cells), flush=True)
