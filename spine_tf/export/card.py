"""Writes the card of an exported model: what it is, what it was made of, how far its products are from it."""

from spine_tf.export.parity import parity_table
from spine_tf.support.environment import describe_environment


def export_card(name: str, version: int, metadata: dict, rows: list[dict], fast: dict, scan: str) -> str:
    """Write the text of a published version's README.md.

    Args:
        name: the servable's.
        version: its number.
        metadata: the model's metadata.json.
        rows: of `parity.compare`.
        fast: of `parity.fast_cost`.
        scan: on what they were compared.
    """
    made, model = describe_environment(), metadata.get("model", {})
    sources = metadata.get("sources", {}).get("train", {})
    lines = [
        f"# {name}, version {version}",
        "",
        "Segments the spine in CT: vertebrae C1 to L6 with their arches, as one class. **Not for diagnostic use.**",
        "",
        f"- Network: {model.get('architecture', 'not stated')}, encoder {model.get('encoder', 'not stated')}.",
        f"- Pre-processing: `metadata.json`; threshold {metadata['preprocess'].get('threshold')}.",
        f"- Exported by spine_tf {made['spine_tf']}, commit {made['git_commit']}.",
        "",
        "## Data",
        "",
        *(f"- trained on: {source} ({number})" for source, number in sources.items()),
        *(f"- start: {start['source']} ({start['licence']})" for start in metadata.get("pretrained", [])),
        "",
        "The licences of the data bind what is made of them; the card of the trained model has the notices.",
        "",
        "## Products",
        "",
        f"Compared with Keras on a real scan ({scan}), on this machine ({made['processor']}, {made['cores']} cores); "
        "times are ratios of runs in turn. A refused product is not in this folder.",
        "",
        parity_table(rows),
        "",
        f"`predict.py --fast` took {fast['time']:.2f} of the time there and lost {fast['dice_drop']:.4f} of Dice.",
        "",
        "## Use",
        "",
        "- TF Serving: this folder's parent is the `base_path`; signatures `serving_default` (triplets), "
        "`segment_volume` or `segment_volume_mm` (a whole scan), `describe`.",
        "- A laptop: `scripts/predict.py scan.nii.gz --model litert/float32.tflite --output out`.",
        "- `manifest.json` has the SHA-256 of every file; `predict.py` refuses what differs from it.",
        "",
        "Look at every mask.",
        "",
    ]
    return "\n".join(lines)
