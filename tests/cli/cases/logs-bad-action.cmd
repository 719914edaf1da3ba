fairvisor logs --action refuse
