fairvisor logs --tail
