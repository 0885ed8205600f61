"""Links lead somewhere, pictures are described, and nothing comes from elsewhere."""

from tests.site.page import find_target, is_external


def test_links_and_anchors_exist(site, pages, record_property):
    broken, checked, external = [], 0, 0
    for path, page in pages.items():
        for link in page.links + page.fetched:
            if is_external(link):
                external += 1
                continue
            checked += 1
            target, anchor = find_target(path, link)
            known = pages[target].anchors if target in pages else {""}
            if not target.is_file() or (anchor and anchor not in known):
                broken.append(f"{path.relative_to(site)}: {link}")
    assert not broken
    assert checked > 500
    record_property("counted", ["links inside the site checked", checked])
    record_property("counted", ["links to other sites left unchecked", external])


def test_every_picture_is_described(site, pages, record_property):
    undescribed = [
        f"{path.relative_to(site)}: {image['src']}"
        for path, page in pages.items()
        for image in page.images
        if len(image.get("alt", "").split()) < 3
    ]
    assert not undescribed
    pictures = sum(len(page.images) for page in pages.values())
    record_property("counted", ["pictures with a description", pictures])


def test_nothing_is_fetched_from_another_site(site, pages):
    fetched = {
        f"{path.relative_to(site)}: {link}"
        for path, page in pages.items()
        for link in page.fetched
        if is_external(link)
    }
    assert not fetched


def test_no_formula_is_left_as_latex(site, pages):
    left = [
        str(path.relative_to(site))
        for path, page in pages.items()
        if "\\" in page.formulas or "\\(" in page.text or "\\[" in page.text
    ]
    assert not left


def test_every_page_can_be_reached_from_home(site, pages):
    found, new = set(), {site / "index.html"}
    while new:
        found |= new
        links = {
            find_target(path, link)[0]
            for path in new
            for link in pages[path].links
            if not is_external(link)
        }
        new = (links & pages.keys()) - found
    assert found == pages.keys()
