# SPDX-License-Identifier: MPL-2.0
"""The same policies as an nginx with Debian's Lua module would enforce them: state in a lua_shared_dict, read and
written as limiters of this kind do it, tokens verified once (HMAC of libcrypto) and then kept by the worker.
"""

import base64

import bench_scenarios
import bench_servers

MODULES = ["ndk_http_module", "ngx_http_lua_module"]
FOLDER = "/usr/lib/nginx/modules"

COMMON = """
local limits = ngx.shared.limits
local now = ngx.now()

local function refuse(status, reason, wait)
    ngx.status = status
    ngx.header["X-Fairvisor-Reason"] = reason
    ngx.header["Retry-After"] = wait
    return ngx.exit(status)
end

-- A token bucket: level and time in one value. Gives what is left, or false.
local function take(key, rate, burst, cost)
    local value = limits:get(key)
    local level = burst
    if value then
        local at = value:find(":", 1, true)
        level = math.min(burst, tonumber(value:sub(1, at - 1)) + (now - tonumber(value:sub(at + 1))) * rate)
    end
    if level < cost then return false end
    level = level - cost
    limits:set(key, level .. ":" .. now, 86400)
    return level
end

-- A fixed window.
local function count(key, window, most, cost)
    local sum = limits:incr(key .. ":" .. math.floor(now / window), cost, 0, window)
    return sum <= most and most - sum
end

local function answer(left, limit)
    ngx.header["RateLimit"] = '"bench";r=' .. math.floor(left) .. ';t=1'
    ngx.header["RateLimit-Limit"] = limit
    ngx.header["RateLimit-Remaining"] = math.floor(left)
    ngx.header["RateLimit-Reset"] = 1
end
"""

DECISION = """
local left = take("rate:" .. (ngx.var.http_x_forwarded_for or ""), %(rate)d, math.max(%(rate)d, 10), 1)
if not left then return refuse(429, "rate_limit_exceeded", 1) end
answer(left, %(rate)d)
"""

COMPLEX = """
local authorization = ngx.var.http_authorization or ""
local claims = tokens.claims_of(authorization:sub(8), now)
if not claims then return refuse(401, "jwt_invalid", 60) end
local address, key = ngx.var.http_x_forwarded_for or "", ngx.var.http_x_api_key or ""
local left = {}
local rules = {{"org:" .. claims.org_id, %(org)d}, {"user:" .. claims.sub, %(user)d},
               {"address:" .. address, %(address)d}, {"key:" .. key, %(key)d}}
for i, rule in ipairs(rules) do
    left[i] = take(rule[1], rule[2], math.max(rule[2], 10), 1)
    if not left[i] then return refuse(429, "rate_limit_exceeded", 1) end
end
if not count("budget:" .. claims.org_id, 86400, %(budget)d, 1) then return refuse(429, "budget_exhausted", 60) end
local uri = ngx.var.http_x_original_uri or ""
local mark = uri:find("?", 1, true)
local parts = {}
if mark then
    for part in uri:sub(mark + 1):gmatch("[^&]+") do parts[#parts + 1] = part end
    table.sort(parts)
    uri = uri:sub(1, mark - 1)
end
local fingerprint = ngx.md5(table.concat({ngx.var.http_x_original_method, uri, table.concat(parts, "&"), claims.org_id,
                                          claims.sub, address, key}, "|"))
if not count("loop:" .. fingerprint, 5, %(loop)d - 1, 1) then return refuse(429, "loop_detected", 60) end
if limits:get("open:" .. claims.org_id) then return refuse(429, "circuit_breaker_open", 60) end
if not count("spend:" .. claims.org_id, 60, %(breaker)d, 1) then
    limits:set("open:" .. claims.org_id, true, 300)
    return refuse(429, "circuit_breaker_open", 60)
end
answer(math.min(unpack(left)), %(org)d)
"""

MODEL = """
ngx.req.read_body()
local read, body = pcall(cjson.decode, ngx.req.get_body_data() or "")
if not read then return refuse(400, "no JSON", 60) end
local bytes = 0
for _, message in ipairs(body.messages or {}) do
    if type(message.content) == "string" then bytes = bytes + #message.content end
end
local need = math.ceil(bytes / 4) + (body.max_tokens or 800)
local key = ngx.var.http_x_api_key or ""
local left = take("minute:" .. key, %(minute)d / 60, %(minute)d, need)
if not left then return refuse(429, "tpm_exceeded", 1) end
if not count("day:" .. key, 86400, %(day)d, need) then return refuse(429, "tpd_exceeded", 60) end
answer(left, %(minute)d)
"""

TOKENS = """
local ffi = require "ffi"
ffi.cdef[[
typedef struct evp_md_st EVP_MD;
const EVP_MD *EVP_sha256(void);
unsigned char *HMAC(const EVP_MD *md, const void *key, int size, const unsigned char *data, size_t bytes,
                    unsigned char *out, unsigned int *out_size);
]]
cjson = require "cjson"
tokens = {kept = {}}
local secret = ngx.decode_base64("%(secret)s")
local out = ffi.new("unsigned char[32]")

local function base64url(text)
    return ngx.decode_base64((text:gsub("-", "+"):gsub("_", "/")) .. ("="):rep(-#text %% 4))
end

function tokens.claims_of(token, now)
    local kept = tokens.kept[token]
    if kept and kept.exp > now then return kept end
    local signed, claims, signature = token:match("^([%%w_-]+%%.([%%w_-]+))%%.([%%w_-]+)$")
    if not signed then return nil end
    ffi.C.HMAC(ffi.C.EVP_sha256(), secret, #secret, signed, #signed, out, nil)
    if base64url(signature) ~= ffi.string(out, 32) then return nil end
    claims = cjson.decode(base64url(claims))
    if claims.exp <= now then return nil end
    tokens.kept[token] = claims
    return claims
end
"""


def http_block(scenario, small):
    """What stands in the http block before the server, and what its location does."""
    size = {limit: scenario.size_of(limit, small) for limit in scenario.limits}
    if scenario.name.startswith("llm"):
        spec = scenario.policy(small)["policies"][0]["spec"]["rules"][0]["algorithm_config"]
        size = {"minute": spec["tokens_per_minute"], "day": spec["tokens_per_day"]}
        script = MODEL % size
    else:
        script = (COMPLEX if scenario.name == "complex" else DECISION) % size
    secret = base64.b64encode(bench_scenarios.KEY.secret).decode()
    return (f"lua_shared_dict limits 16m;\nclient_body_buffer_size 256k;\n"
            f"init_by_lua_block {{ {TOKENS % {'secret': secret}} }}",
            f"access_by_lua_block {{ {COMMON + script} }} content_by_lua_block {{ ngx.exit(204) }}")


def main_block():
    return "\n".join(f"load_module {FOLDER}/{name}.so;" for name in MODULES)


class NginxLua(bench_servers.NginxServer):
    name = "nginx with Lua"

    def start(self, scenario, small):
        self.proves = tuple(scenario.limits)
        super().start(scenario, small)

    def main(self):
        return main_block()

    def before_server(self, small):
        return http_block(self.scenario, small)[0]

    def location(self, small):
        return http_block(self.scenario, small)[1]
