"""Expectations on data: checked by their own library in a process of its own, and judged here one by one."""
