"""Runs every check of scim2-tester against a served SCIM interface and prints what came of them.

    scim.py URL BEARER

Prints {"checks": N, "failed": [[title, resource, reason], ...], "skipped": [...]}.
"""

import collections
import json
import sys

from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import check_server
from scim2_tester.utils import Status


def main():
    url, bearer = sys.argv[1:]
    http = Client(base_url=url, headers={"Authorization": f"Bearer {bearer}"}, timeout=60, trust_env=False)
    results = check_server(SyncSCIMClient(http))
    failed = [it for it in results if it.status in (Status.ERROR, Status.CRITICAL, Status.DEVIATION)]
    skipped = [it for it in results if it.status == Status.SKIPPED]
    titles = collections.Counter(it.title for it in results)
    tell = lambda many: [[it.title, it.resource_type, it.reason] for it in many]  # noqa: E731
    print(json.dumps({
        "checks": len(results), "kinds": len(titles),
        "failed": tell(failed), "skipped": tell(skipped),
    }))


main()
