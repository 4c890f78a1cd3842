"""Croissant metadata of a release, for search engines and data catalogs."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_distill import __version__

from .license import NOT_STATED, Owner
from .tier import ReleaseTier

__all__ = ["croissant"]

UNLISTED = ("croissant.json", "SHA256SUMS", "SHA256SUMS.sig")  # written after or with the list
ENCODINGS = {
    ".json": "application/json",
    ".md": "text/markdown",
    ".csv": "text/csv",
    ".png": "image/png",
    ".gz": "application/gzip",
    ".npz": "application/zip",
    "": "text/plain",
}
CROISSANT_TERMS = (
    *("citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject", "fileSet", "format"),
    *("includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex"),
    *("repeated", "replace", "samplingRate", "separator", "source", "subField", "transform"),
)
CONTEXT = {  # the standard context of Croissant 1.0; validators compare with it
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in CROISSANT_TERMS},
}


def croissant(folder: Path, manifest: Mapping[str, Any], tier: ReleaseTier, owner: Owner) -> dict[str, Any]:
    """Croissant 1.0 with its RAI terms (Akhtar et al. 2024); one ``FileObject`` with SHA-256 per file.

    Args:
        folder: of the release; files that are written later are not listed.
        manifest: of the release.
        tier: of the release.
        owner: gives the publisher.
    """
    release = manifest["release"]
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in UNLISTED]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": f"synthetic_{manifest['dataset']}",
        "description": f"SYNTHETIC images distilled from {release['title']}. They are a training set and not for "
        f"diagnosis. {stamp(tier)}",
        "license": release["license"],
        "version": f"{__version__}",
        "datePublished": datetime.date.today().isoformat(),
        **({} if owner.publisher == NOT_STATED else {"creator": {"@type": "sc:Organization", "name": owner.publisher}}),
        "citeAs": manifest["source"]["citation"],
        "rai:dataCollection": f"Synthesized by {manifest['method']} from the training images of {release['title']}.",
        "rai:dataLimitations": "Made for the network and protocol in manifest.json. Other networks can score lower.",
        "rai:personalSensitiveInformation": f"{tier.title}: the claim is in the description, its gaps in the report.",
        "rai:dataUseCases": "Training and comparing classifiers. Not for diagnosis or statistics of a population.",
        "rai:dataBiases": "The biases of the source remain. Rare classes and rare findings can be lost.",
        "distribution": [_file_object(path, path.relative_to(folder).as_posix()) for path in files],
        "recordSet": [_records()],
    }


def stamp(tier: ReleaseTier) -> str:
    """Tier and statement, as card and metadata give them; ``verify`` compares."""
    return f"{tier.title}: {tier.statement}"


def _file_object(path: Path, name: str) -> dict[str, str]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "encodingFormat": ENCODINGS.get(path.suffix, "application/octet-stream"),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def _records() -> dict[str, Any]:
    """One record per image, read from ``labels.csv``."""
    types = {"number": "sc:Integer", "label": "sc:Integer", "class_name": "sc:Text"}
    return {
        "@type": "cr:RecordSet",
        "@id": "images",
        "name": "images",
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"images/{column}",
                "name": column,
                "dataType": kind,
                "source": {"fileObject": {"@id": "labels.csv"}, "extract": {"column": column}},
            }
            for column, kind in types.items()
        ],
    }
