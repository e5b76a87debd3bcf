"""Reads what es-iam-policy prints with policyuniverse, an independent policy parser: 0 objections, or exit 1.

    python policies.py --tool target/release/es-iam-policy
"""

import argparse
import itertools
import json
import subprocess
import sys

from policyuniverse.arn import ARN
from policyuniverse.policy import Policy

WRITES = {"s3:putobject", "s3:deleteobject"}


def check(kind, document, read_only, published):
    policy = Policy(document)
    assert document["Version"] == "2012-10-17" and policy.statements
    for statement in policy.statements:
        assert statement.effect == "Allow" and statement.actions
        for resource in statement.resources:
            # A trust policy has no resource.
            if resource not in (None, "*"):
                assert not ARN(resource).error, resource
        if kind == "caller" and "iam:passrole" in {a.lower() for a in statement.actions}:
            assert all(ARN(r).tech == "iam" for r in statement.resources), statement.resources
    actions = {action.lower() for statement in policy.statements for action in statement.actions_expanded}
    if kind == "trust":
        assert actions == {"sts:assumerole"}
        (statement,) = policy.statements
        assert statement.principals == {"es.amazonaws.com"}, statement.principals
        assert published or {e.category for e in statement.condition_entries} >= {"arn", "account"}
    elif kind == "permission":
        assert "s3:getobject" in actions and "s3:listbucket" in actions
        assert bool(actions & WRITES) != read_only, actions
        assert published == ("iam:passrole" in actions)
    else:
        # What the parser knows the pattern to stand for: every method, on this domain alone.
        assert {"iam:passrole", "es:eshttpget", "es:eshttphead", "es:eshttppost", "es:eshttpput", "es:eshttpdelete"} <= actions, actions
        assert {a for s in policy.statements for a in s.actions} == {"iam:PassRole", "es:ESHttp*"}
        passing, talking = policy.statements
        assert published or not passing.resources & {"*"} and all(":domain/" in r and r.endswith("/*") for r in talking.resources)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True)
    args = parser.parse_args()
    read = 0
    regions = [[], ["--region", "ap-northeast-2"], ["--region", "cn-north-1"], ["--region", "us-gov-west-1"]]
    for region, domain, prefix, extra in itertools.product(
        regions, [[], ["--domain", "javacafe"]], [[], ["--prefix", "java/cafe"]], [[], ["--read-only"], ["--as-published"]]
    ):
        command = [args.tool, "--bucket", "my-backup", "--role", "es-snapshot", "--account", "123456789012"]
        command += region + domain + prefix + extra
        lines = subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines()
        assert len(lines) == 3, command
        for line in lines:
            record = json.loads(line)
            try:
                check(record["policy"], record["document"], "--read-only" in extra, "--as-published" in extra)
            except AssertionError as objection:
                print(f"{command}: {record['policy']}: {objection}", file=sys.stderr)
                return 1
            read += 1
    print(json.dumps({"policies": read, "objections": 0}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
