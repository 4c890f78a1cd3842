"""The words that people use in the headers of tables for patients and splits."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
import unicodedata
from typing import Literal

__all__ = ["IMAGE_WORDS", "LABEL_WORDS", "PatientRank", "header_key", "names_split", "patient_rank"]

PatientRank = Literal["certain", "likely", "possible"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


IMAGE_WORDS = _words(
    "img images file files filename filenames filepath filepaths path paths imagepath imagefile imagefilename "
    "imagename imageid imgpath imgname imgid picture picturepath scan scanpath slice bild datei dateiname pfad"
)
LABEL_WORDS = _words(
    "labels class classes classname classlabel category categories target targets y diagnosis dx finding findings "
    "disease condition outcome grade groundtruth gt befund diagnose klasse"
)
_PREFIX = "(anon|anonymi[sz]ed|deid|deidentified|pseudo|pseudonymi[sz]ed|hashed|orig|original|dicom|bcr|study|unique)"
_PERSON = "(patients?|patientin|patienten|pat|pts?|subjects?|subj|participants?|mrns?|medicalrecord|pid|proband)"
_RARE_PERSON = "(sub|person|individual|volunteer|donor|animal|mouse|rat|case|fall|client|member|hospital)"
_NUMBER = (
    "(id|ids|uid|guid|uuid|no|nr|nos|nrs|num|numbers?|nummer|code|key|hash|identifier|index|idx|pseudonym|barcode)"
)
_CERTAIN = re.compile(
    f"{_PREFIX}*({_PERSON}{_NUMBER}*(names?|{_NUMBER})?|(sub|person|individual|volunteer|donor|animal){_NUMBER}+)"
)
# a property of a patient and no patient
_PROPERTY = re.compile(
    "age|sex|gender|weight|height|size|birth|dob|position|orient|race|ethnic|history|class|type|status|count|group|"
    "cohort|note|comment|site|consent|country|smok|diag|disease|outcome|visit|view|side|date|time|year|survival|stage|"
    "bmi|info|population|split|fold|set$|alter|geschlecht"
)
_POSSIBLE = re.compile(
    f"({_RARE_PERSON}{_NUMBER}*|id|name|study|studyid|studyuid|studyinstanceuid|studynumber|accession|accessionid|"
    "accessionnumber|exam|examid|examination|visitid|record|recordid|lesion|lesionid|slide|slideid|wsi|specimen|"
    "specimenid|series|seriesid|seriesuid|seriesinstanceuid|uid|family|familyid|encounter|encounterid)"
)
_SPLIT = re.compile(
    "((data|dataset|traintest|trainvaltest|trainval|official|original|suggested|default|cv|crossvalidation)?"
    "(split|splits|partition|partitions|fold|folds)(id|name|no|nr|number|\\d*)?|kfold|traintest|trainvaltest|"
    "aufteilung|datensplit)"
)
_SECTION_FLAG = re.compile(
    "(is|in|for|use)?(train|training|trainset|test|testing|testset|val|valid|validation|holdout)"
)


def header_key(name: str) -> str:
    """The letters and digits of a header in lower case: ``Patient-ID``, ``patient_id`` and ``PatientID`` agree.

    Example:
        >>> header_key(" Patient-ID ")
        'patientid'
    """
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name).casefold())


def patient_rank(name: str) -> PatientRank | None:
    """How surely a header names patients: ``certain``, ``likely``, ``possible``; None where it does not.

    Example:
        >>> [patient_rank(name) for name in ("Subject ID", "patient_ref_2", "case", "patient_age", "site")]
        ['certain', 'likely', 'possible', None, None]
    """
    key = header_key(name)
    if _CERTAIN.fullmatch(key):
        return "certain"
    if re.search("patient|subject|participant|proband", key) and not _PROPERTY.search(key):
        return "likely"
    return "possible" if _POSSIBLE.fullmatch(key) else None


def names_split(name: str) -> bool:
    """Whether a header names a split, whatever its cells hold.

    Example:
        >>> [names_split(name) for name in ("Data Split", "fold", "is_test", "subset")]
        [True, True, True, False]
    """
    key = header_key(name)
    return bool(_SPLIT.fullmatch(key) or _SECTION_FLAG.fullmatch(key))
