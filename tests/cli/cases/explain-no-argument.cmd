fairvisor explain GET / -H
