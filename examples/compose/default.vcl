# The edge cache of docker-compose.yml: caches what the origin allows, and purges by surrogate key.
#
#   PURGE /  with header `xkey-purge: item-1 category-2`      removes at once
#   PURGE /  with header `xkey-softpurge: item-1 category-2`  marks as stale
#
# answers 200 with `X-Purged: N`, the number of objects.
vcl 4.1;

import xkey;

backend default {
    .host = "origin";
    .port = "80";
}

# Whoever is in the compose network. On a network that others share, name the one address that purges.
acl purgers {
    "127.0.0.1";
    "10.0.0.0"/8;
    "172.16.0.0"/12;
    "192.168.0.0"/16;
}

sub vcl_recv {
    unset req.http.X-Purged;
    if (req.method == "PURGE") {
        if (client.ip !~ purgers) {
            return (synth(405, "Not allowed"));
        }
        if (req.http.xkey-purge) {
            set req.http.X-Purged = xkey.purge(req.http.xkey-purge);
        } elsif (req.http.xkey-softpurge) {
            set req.http.X-Purged = xkey.softpurge(req.http.xkey-softpurge);
        } else {
            return (synth(400, "No xkey-purge or xkey-softpurge header"));
        }
        return (synth(200, "Purged " + req.http.X-Purged));
    }
}

sub vcl_backend_response {
    # What a soft purge may still serve while the fresh one is fetched.
    set beresp.grace = 60s;
}

sub vcl_deliver {
    if (obj.hits > 0) {
        set resp.http.X-Cache = "HIT";
    } else {
        set resp.http.X-Cache = "MISS";
    }
}

sub vcl_synth {
    if (req.method == "PURGE") {
        if (req.http.X-Purged) {
            set resp.http.X-Purged = req.http.X-Purged;
        }
        set resp.http.Content-Type = "text/plain; charset=utf-8";
        synthetic(resp.reason + {"
"});
        return (deliver);
    }
}
