vcl 4.1;
# SPDX-License-Identifier: MPL-2.0
# A complete configuration of Varnish 6.0 or newer that asks fairvisord about each request, also about those that the cache can
# answer: the request is first passed to fairvisord; when that says yes, Varnish restarts it and goes on to cache and application.

import std;

backend fairvisor {
    .host = "127.0.0.1"; # for a unix socket, in place of these two lines: .path = "/run/fairvisor/edge.sock";
    .port = "8080";
    .connect_timeout = 250ms;
    # Longer than the longest delay_ms of your policies (loop detection's throttle: 1 s), for an answer is held back so long.
    .first_byte_timeout = 2s;
    .between_bytes_timeout = 2s;
}

backend app {
    .host = "127.0.0.1";
    .port = "8000";
}

sub vcl_recv {
    if (req.restarts == 0) {
        # Varnish drops the fields that Connection names, also those that are set here.
        unset req.http.Connection;
        # What only a gateway may tell.
        unset req.http.X-Original-Method;
        unset req.http.X-Original-URI;
        unset req.http.X-Original-Host;
        unset req.http.X-Country-Code;
        unset req.http.X-ASN;
        unset req.http.X-ASN-Type;
        unset req.http.X-Tor-Exit;
        unset req.http.X-Fairvisor-Reject-Status;
        unset req.http.X-Fairvisor-Judged;
        set req.http.X-Forwarded-For = client.ip;
        # The body is needed twice, for Varnish sends it to fairvisord, too (where it serves the estimates of token_bucket_llm): so
        # it must fit into memory here and into max_body_bytes of fairvisor.conf there.
        if (!std.cache_req_body(1MB)) {
            return (synth(413));
        }
        return (pass);
    }
    # Allowed, or failed open. From here on it is your configuration; what is cached is looked up only now.
}

sub vcl_backend_fetch {
    if (!bereq.http.X-Fairvisor-Judged) {
        set bereq.backend = fairvisor;
        set bereq.http.X-Original-Method = bereq.method;
        set bereq.http.X-Original-URI = bereq.url;
        set bereq.http.X-Original-Host = bereq.http.Host;
        set bereq.method = "GET";
        set bereq.url = "/v1/decision";
    } else {
        unset bereq.http.X-Fairvisor-Judged;
        unset bereq.http.X-Fairvisor-RateLimit;
        unset bereq.http.X-Fairvisor-RateLimit-Policy;
        set bereq.backend = app;
    }
}

sub vcl_backend_response {
    unset beresp.http.X-Fairvisor-Silent;
}

sub vcl_backend_error {
    # No answer from fairvisord, or from the application; vcl_deliver knows which.
    set beresp.http.X-Fairvisor-Silent = "yes";
}

sub vcl_deliver {
    if (req.restarts == 0) { # what stands in resp is the verdict
        if (resp.status == 200 || resp.status == 204) {
            set req.http.X-Fairvisor-Judged = "allowed";
            set req.http.X-Fairvisor-RateLimit = resp.http.RateLimit;
            set req.http.X-Fairvisor-RateLimit-Policy = resp.http.RateLimit-Policy;
            return (restart);
        }
        if (resp.http.X-Fairvisor-Silent) {
            # Fails closed. To let requests pass, unlimited, while fairvisord is dead, put these two lines in place of the third:
            #   set req.http.X-Fairvisor-Judged = "open";
            #   return (restart);
            return (synth(503));
        }
        return (deliver); # a refusal reaches the client as fairvisord worded it
    }
    unset resp.http.X-Fairvisor-Silent;
    if (req.http.X-Fairvisor-RateLimit) {
        set resp.http.RateLimit = req.http.X-Fairvisor-RateLimit;
        set resp.http.RateLimit-Policy = req.http.X-Fairvisor-RateLimit-Policy;
    }
}
