"""What a device is for, as far as anybody has said so: near a patient or a process, what keeps care running, or other.

Told by roles that the evidence shows and by what an inventory says (role, place, operating system). Wormward never
guesses it from a name on the wire: what nobody has described is UNKNOWN, and may keep a patient alive.
"""

from __future__ import annotations

import re
from enum import Enum

from wormward.model.states import Host


class Care(Enum):
    """What depends on a device, the most first."""

    NEAR = "near"  # a patient or a running process
    KEEPS = "keeps"  # other systems that care or production rests on
    OTHER = "other"  # described, and neither
    UNKNOWN = "unknown"  # nobody said


NEAR_WORDS = (
    "patient", "bedside", "ventilator", "respirator", "infusion", "syringe pump", "anesthesia", "anaesthesia", "dialysis",
    "defibrillator", "incubator", "pacemaker", "ecmo", "ecg", "vital", "telemetry", "monitor", "icu", "iccu", "nicu", "picu",
    "ccu", "hcu", "scu", "operating room", "operating theatre", "operating theater", "surgery", "surgical", "emergency",
    "ward", "delivery room", "catheter", "cath lab", "radiotherapy", "linac", "endoscop", "ultrasound", "x-ray", "xray", "ct",
    "mri", "modality", "medical", "plc", "hmi", "scada", "dcs", "safety", "controller of",
    "患者", "ベッドサイド", "人工呼吸", "輸液", "シリンジ", "麻酔", "透析", "除細動", "保育器", "ペースメーカ", "心電",
    "生体情報", "モニタ", "集中治療", "手術", "救急", "病棟", "病室", "分娩", "カテーテル", "放射線治療", "リニアック", "内視鏡",
    "超音波",
    "レントゲン", "撮影", "医療機器", "医用", "制御", "計装", "安全計装",
)  # fmt: skip
"""Words of an inventory that speak of devices at a patient or a running process, and of the places where these stand."""

KEEPS_WORDS = (
    "server", "domain controller", "directory", "dns", "dhcp", "database", "ehr", "emr", "his", "pacs", "ris", "lis",
    "laboratory", "pharmacy", "blood bank", "nurse call", "gateway", "historian", "switch", "router", "firewall", "storage",
    "backup", "hypervisor", "telephone", "pbx", "power", "ups",
    "サーバ", "電子カルテ", "医事", "オーダ", "検査", "薬剤", "薬局", "輸血", "ナースコール", "部門システム", "画像", "基幹",
    "ルータ", "スイッチ", "電話", "電源", "ストレージ", "バックアップ",
)  # fmt: skip
"""Words of an inventory that speak of what keeps care or production running."""

KEEPS_ROLES = frozenset({"domain-controller", "resolver", "proxy", "dhcp-server", "nat"})
"""Roles that the evidence or `site.toml` shows; behind an address translation many hosts stand."""


def _words(words: tuple[str, ...]) -> re.Pattern[str]:
    """Latin words as whole words (with a plural s), Japanese ones anywhere: there no space stands between words."""
    latin = "|".join(re.escape(w) for w in words if w.isascii())
    other = "|".join(re.escape(w) for w in words if not w.isascii())
    return re.compile(rf"(?<![a-z])(?:{latin})(?:s|y|ic)?(?![a-z])|{other}", re.IGNORECASE)


_NEAR, _KEEPS = _words(NEAR_WORDS), _words(KEEPS_WORDS)


def described(host: Host) -> str:
    """What an inventory says of a host, in one text; empty if nothing."""
    item = host.inventory
    return " ".join(text for text in (item.role, item.place, item.os) if text) if item else ""


def care(host: Host) -> Care:
    """What depends on this host. In doubt the more serious: a server in an operating room is near a patient."""
    text = described(host)
    if _NEAR.search(text):
        return Care.NEAR
    if _KEEPS.search(text) or KEEPS_ROLES & set(host.roles):
        return Care.KEEPS
    return Care.OTHER if text else Care.UNKNOWN
